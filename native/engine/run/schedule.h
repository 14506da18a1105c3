// A compiled segment as a list of primitives, run one after the other on the calling thread.
#pragma once

#include <mlx/mlx.h>
#include <mlx/primitives.h>

#include <memory>
#include <unordered_map>
#include <vector>

#include "engine/run/checkpoint.h"

namespace davit {

// Which node a primitive was built for.
using PrimitiveSites = std::unordered_map<const mlx::core::Primitive*, int>;

// The order in which mx::eval runs the primitives of a graph on the CPU, found once and kept: where
// their operands come from, and where each value is used last. mx::eval finds that out anew for
// every evaluation, which takes longer than computing small values. Only for streams that run
// inline.
class Schedule {
 public:
  struct Operand {
    size_t slot;
    bool last;  // nobody uses it after this
  };
  struct Result {
    mlx::core::Shape shape;
    mlx::core::Dtype dtype;
    size_t slot;
    bool used;
  };
  struct Operation {
    std::shared_ptr<mlx::core::Primitive> primitive;
    std::vector<Operand> operands;
    std::vector<Result> results;
    int site;
  };

  // The graph behind `outputs`, down to `inputs`, which are placeholders. It must be traced for the
  // CPU stream of the thread that runs the schedule.
  Schedule(const std::vector<mlx::core::array>& inputs,
           const std::vector<mlx::core::array>& outputs, const PrimitiveSites& sites);

  // Computes the outputs. Inputs that nobody else holds may be overwritten. Throws RunError with
  // the site of the node at fault, or that of a cancel.
  std::vector<mlx::core::array> run(std::vector<mlx::core::array> inputs,
                                    const CancelFlag& cancel) const;

  const std::vector<Operation>& operations() const { return operations_; }
  // The slots of values; those of constants with what they hold.
  size_t slots() const { return slots_; }
  const std::vector<size_t>& inputs() const { return inputs_; }
  const std::vector<size_t>& outputs() const { return outputs_; }
  const std::vector<std::pair<size_t, mlx::core::array>>& constants() const { return constants_; }

 private:
  std::vector<Operation> operations_;
  std::vector<std::pair<size_t, mlx::core::array>> constants_;
  std::vector<size_t> inputs_;
  std::vector<size_t> outputs_;
  size_t slots_ = 0;
};

}  // namespace davit
