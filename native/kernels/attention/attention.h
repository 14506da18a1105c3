// Attention: softmax(queries x keys) x values, of which the scores are never all in memory.
#pragma once

#include <mlx/mlx.h>
#include <mlx/primitives.h>

#include <memory>
#include <optional>
#include <vector>

#include "kernels/products/loops.h"

namespace davit::kernels {

// What happens to scores before their softmax, in order.
struct ScoreStep {
  enum class Kind { scale, add, select, causal };
  Kind kind;
  // The factor; or what stands in the place of scores where a condition is false.
  float value = 0;
  // The place among the inputs of what is added, or of the condition.
  size_t input = 0;
  // Query i sees the keys up to i + offset.
  int64_t offset = 0;
};

// Its inputs: queries [..., rows, depth], transposed keys [..., depth, keys], values [..., keys,
// width], operands of the steps and, last, sinks [..., rows, 1]; these may be smaller, as they are
// before a broadcast to the shape of the scores. Only for CPU streams that run inline.
class Attention : public mlx::core::Primitive {
 public:
  Attention(mlx::core::Stream stream, Real real, std::vector<ScoreStep> steps, bool sinks);

  void eval_cpu(const std::vector<mlx::core::array>& inputs,
                std::vector<mlx::core::array>& outputs) override;
  void eval_gpu(const std::vector<mlx::core::array>& inputs,
                std::vector<mlx::core::array>& outputs) override;
  const char* name() const override { return "DavitAttention"; }

 private:
  Real real_;
  std::vector<ScoreStep> steps_;
  bool sinks_;
};

}  // namespace davit::kernels
