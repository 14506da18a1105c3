// Rotary positions: pairs of elements that are turned by angles.
#pragma once

#include <mlx/mlx.h>
#include <mlx/primitives.h>

#include <vector>

#include "kernels/fuse.h"

namespace davit::kernels {

// Its inputs: x [..., rows, size], the cosines and the sines [rows, pairs]. Of float32. Only for
// CPU streams that run inline.
class Rotation : public mlx::core::Primitive {
 public:
  // Pairs are neighbours, or an element and the one that is as many pairs behind it.
  Rotation(mlx::core::Stream stream, bool neighbours)
      : Primitive(stream), neighbours_(neighbours) {}

  void eval_cpu(const std::vector<mlx::core::array>& inputs,
                std::vector<mlx::core::array>& outputs) override;
  void eval_gpu(const std::vector<mlx::core::array>& inputs,
                std::vector<mlx::core::array>& outputs) override;
  const char* name() const override { return "DavitRotation"; }

 private:
  bool neighbours_;
};

// Puts one primitive in the place of those that turn pairs, as MLX's rope writes it.
void find_rotations(const std::vector<mlx::core::array>& outputs, const Replaced& replaced);

}  // namespace davit::kernels
