// Puts kernels of this room in the place of MLX's.
#pragma once

#include <mlx/mlx.h>
#include <mlx/primitives.h>

#include <functional>
#include <vector>

namespace davit::kernels {

// `fused` now computes what `original` computed, perhaps among others.
using Replaced =
    std::function<void(const mlx::core::Primitive* original, const mlx::core::Primitive* fused)>;

// Joins the elementwise ops, the reductions of last dimensions and the broadcasts of what these
// result in, of a traced graph on the CPU, into single primitives, in place. What comes between two
// such ops cuts them apart only where it depends on the one and the other on it.
void fuse(const std::vector<mlx::core::array>& outputs, const Replaced& replaced);

}  // namespace davit::kernels
