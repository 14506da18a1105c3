// A primitive that computes what several of MLX's did, with a program of this room.
#pragma once

#include <mlx/mlx.h>
#include <mlx/primitives.h>

#include <memory>
#include <optional>
#include <vector>

#include "kernels/execution.h"
#include "kernels/primitives.h"
#include "kernels/program.h"
#include "kernels/repetition.h"

namespace davit::kernels {

// Its inputs are broadcast to what the program's inputs ask for. Only for the CPU.
class Fused : public mlx::core::Primitive {
 public:
  // `reduced`: a bit for each dimension of the shape.
  Fused(mlx::core::Stream stream, Program program, const mlx::core::Shape& shape, Axes reduced);

  void eval_cpu(const std::vector<mlx::core::array>& inputs,
                std::vector<mlx::core::array>& outputs) override;
  void eval_gpu(const std::vector<mlx::core::array>& inputs,
                std::vector<mlx::core::array>& outputs) override;
  const char* name() const override { return "DavitFused"; }

  // Runs again and again with these inputs and outputs, which lie row by row; null where one thread
  // is not enough.
  std::unique_ptr<Repetition> repetition(const std::vector<mlx::core::array>& inputs,
                                         const std::vector<mlx::core::array>& outputs) const;

 private:
  bool flat(const std::vector<mlx::core::array>& inputs) const;
  Execution execution(const std::vector<mlx::core::array>& inputs, bool flat) const;

  Program program_;
  mlx::core::Shape shape_;
  mlx::core::Shape narrow_;
  Space space_;
  // Of inputs that lie row by row. A primitive belongs to one lane.
  std::optional<Execution> usual_;
};

}  // namespace davit::kernels
