// Which instructions compute what a primitive of MLX computes.
#pragma once

#include <mlx/mlx.h>
#include <mlx/primitives.h>

#include <optional>

#include "kernels/program.h"

namespace davit::kernels {

// How a dtype is held in a register, if it can be.
struct Held {
  Type type;
  std::optional<Half> half;
};
std::optional<Held> held(mlx::core::Dtype dtype);

// The part that a primitive plays in a program.
enum class Role {
  none,         // it is not one of ours
  elementwise,  // all operands and the result have one shape
  reduction,    // of the last dimensions, which stay as ones
  row_wise,     // rows of the last dimension to such rows
  repetition,   // broadcasts the result of a reduction back
};
struct Part {
  Role role = Role::none;
  std::optional<size_t> columns_from = {};  // the first dimension of a row, for what works on rows
};
// Whether an array is the broadcast of another one, whose shape is known.
bool is_broadcast(const mlx::core::array& array);

Part part_of(const mlx::core::array& result);

}  // namespace davit::kernels
