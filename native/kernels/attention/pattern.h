// Finds attention in traced graphs.
#pragma once

#include <mlx/mlx.h>

#include <vector>

#include "kernels/fuse.h"

namespace davit::kernels {

// Puts one primitive in the place of those that compute attention, as MLX's
// scaled_dot_product_attention writes it or as a graph does by hand. What is also used elsewhere,
// by a hook or as a result, stays as it is, and with it the attention that it is a part of.
void find_attention(const std::vector<mlx::core::array>& outputs, const Replaced& replaced);

}  // namespace davit::kernels
