// A primitive of this room that computes what one of MLX's did, or has that do it.
#pragma once

#include <mlx/mlx.h>
#include <mlx/primitives.h>

#include <memory>
#include <vector>

#include "kernels/fuse.h"

namespace davit::kernels {

// Only for CPU streams that run inline.
class Substitute : public mlx::core::Primitive {
 public:
  explicit Substitute(std::shared_ptr<mlx::core::Primitive> original);

  // Computes, or returns false where MLX's primitive does better.
  virtual bool compute(const std::vector<mlx::core::array>& inputs, mlx::core::array& output) = 0;

  void eval_cpu(const std::vector<mlx::core::array>& inputs,
                std::vector<mlx::core::array>& outputs) override;
  void eval_gpu(const std::vector<mlx::core::array>& inputs,
                std::vector<mlx::core::array>& outputs) override;
  const char* name() const override { return original_->name(); }

 protected:
  mlx::core::Primitive& original() const { return *original_; }

 private:
  std::shared_ptr<mlx::core::Primitive> original_;
};

// Puts kernels of this room in the place of primitives of a traced graph on the CPU, one by one.
void substitute(const std::vector<mlx::core::array>& outputs, const Replaced& replaced);

}  // namespace davit::kernels
