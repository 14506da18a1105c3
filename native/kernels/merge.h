// Finds in traced graphs what is computed twice.
#pragma once

#include <mlx/mlx.h>

#include <vector>

#include "kernels/fuse.h"

namespace davit::kernels {

// Has equal primitives of the same operands computed once. MLX does so where it compiles, but for
// those without operands and all that depends on them: the angles of rotary positions, which every
// layer counts up anew.
void merge_equal(const std::vector<mlx::core::array>& outputs, const Replaced& replaced);

}  // namespace davit::kernels
