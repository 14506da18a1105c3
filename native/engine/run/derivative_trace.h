// Changes to the graph of a function before MLX differentiates it.
#pragma once

#include <mlx/array.h>

#include <string>
#include <string_view>
#include <vector>

#include "engine/run/schedule.h"

namespace davit {

// Integers and booleans carry no derivative: what the traced function computes of them, by casts,
// as indices or in a condition, is kept from MLX, which has no derivative by an index and casts
// cotangents to integers. `arguments` end the function.
void stop_at_integers(const std::vector<mlx::core::array>& results,
                      const std::vector<mlx::core::array>& arguments);

// A primitive of a traced function by the name that MLX's errors use, and the node that it is for.
struct NamedPrimitive {
  std::string name;
  int site;
};

// The primitives of the function between its results and its arguments.
std::vector<NamedPrimitive> named_primitives(const std::vector<mlx::core::array>& results,
                                             const std::vector<mlx::core::array>& arguments,
                                             const PrimitiveSites& sites);

// The site of the primitive that an error of MLX says it has no derivative of; -1 where it names
// none.
int site_without_derivative(std::string_view message,
                            const std::vector<NamedPrimitive>& primitives);

}  // namespace davit
