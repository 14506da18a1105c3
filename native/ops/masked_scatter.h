// Masked scatters in a form whose derivative MLX gets right.
#pragma once

#include <mlx/mlx.h>

namespace davit {

// A masked scatter as a gather. MLX's own gradient by the source writes behind it where the mask
// marks more places than it has elements; the forward pass fails then, but not always before.
mlx::core::array differentiable_masked_scatter(const mlx::core::array& a,
                                               const mlx::core::array& mask,
                                               const mlx::core::array& src, mlx::core::Stream s);

}  // namespace davit
