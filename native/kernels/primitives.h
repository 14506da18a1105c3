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
  reduction,    // of some dimensions, which stay as ones
  row_wise,     // along some dimensions, which stay as they are
  repetition,   // broadcasts the result of a reduction back
};
// Dimensions of a shape, a bit for each.
using Axes = uint64_t;
// A shape with ones in the place of some dimensions.
mlx::core::Shape without(mlx::core::Shape shape, Axes axes);

struct Part {
  Role role = Role::none;
  Axes axes = 0;  // those that are reduced, or worked along
};
// What an argmax or argmin looks for; nothing for other primitives.
std::optional<Search> search(const mlx::core::array& result);
// Whether an array is the broadcast of another one, whose shape is known.
bool is_broadcast(const mlx::core::array& array);

// Whether the result of this number of a primitive is its operand of that number.
bool passes_through(const mlx::core::array& result, size_t number);

// The part of a primitive of one result.
Part part_of(const mlx::core::array& result);

}  // namespace davit::kernels
