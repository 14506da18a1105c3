// Kernels for primitives of MLX that move, order or make up elements.
#pragma once

#include <mlx/mlx.h>
#include <mlx/primitives.h>

#include <memory>
#include <vector>

#include "kernels/substitute.h"

namespace davit::kernels {

// The primitive of ours for one of MLX's; null where there is none.
std::shared_ptr<Substitute> data_kernel_for(const mlx::core::array& array);

// Computes what a primitive of MLX computes, or returns false where that does better.
using DataKernel = bool (*)(mlx::core::Primitive& original,
                            const std::vector<mlx::core::array>& inputs, mlx::core::array& output);

bool contiguous(mlx::core::Primitive& original, const std::vector<mlx::core::array>& inputs,
                mlx::core::array& output);
bool reshape(mlx::core::Primitive& original, const std::vector<mlx::core::array>& inputs,
             mlx::core::array& output);
bool concatenate(mlx::core::Primitive& original, const std::vector<mlx::core::array>& inputs,
                 mlx::core::array& output);
bool pad(mlx::core::Primitive& original, const std::vector<mlx::core::array>& inputs,
         mlx::core::array& output);
bool sort(mlx::core::Primitive& original, const std::vector<mlx::core::array>& inputs,
          mlx::core::array& output);
bool argsort(mlx::core::Primitive& original, const std::vector<mlx::core::array>& inputs,
             mlx::core::array& output);
bool random_bits(mlx::core::Primitive& original, const std::vector<mlx::core::array>& inputs,
                 mlx::core::array& output);
bool convolution(mlx::core::Primitive& original, const std::vector<mlx::core::array>& inputs,
                 mlx::core::array& output);

}  // namespace davit::kernels
