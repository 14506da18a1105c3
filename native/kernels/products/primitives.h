// Which primitives of MLX are computed as products of this room.
#pragma once

#include <mlx/mlx.h>
#include <mlx/primitives.h>

#include <memory>
#include <optional>

#include "kernels/products/loops.h"
#include "kernels/substitute.h"

namespace davit::kernels {

// What elements are, if products of them are computed here.
std::optional<Real> real_of(mlx::core::Dtype dtype);

// The primitive that computes an array in place of its own, or null.
std::shared_ptr<Substitute> product_for(const mlx::core::array& array);

// Products of dense matrices (Matmul, AddMM, GatherMM), or null.
std::shared_ptr<Substitute> dense_product_for(const mlx::core::array& array);
// Products with packed ones (QuantizedMatmul, GatherQMM), or null.
std::shared_ptr<Substitute> packed_product_for(const mlx::core::array& array);

// Has those of packed_product_for() that have the same first operand computed together, such as an
// attention's queries, keys and values: their rows are read once, and threads divide all of it.
void join_packed_products(const std::vector<mlx::core::array>& outputs, const Replaced& replaced);

}  // namespace davit::kernels
