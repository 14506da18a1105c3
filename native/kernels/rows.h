// The instructions of MLX's elementwise primitives and reductions, by their names.
#pragma once

#include <optional>
#include <string_view>

#include "kernels/instructions.h"

namespace davit::kernels {

// Nanoseconds an element, roughly, with AVX2: what a pass over a block takes, and what a function
// takes.
constexpr double kCheap = 0.1;
constexpr double kFunction = 0.8;

struct UnaryRow {
  Unary op;
  double cost = kCheap;
  bool exact = false;  // in half precision, without being rounded
};
struct BinaryRow {
  Binary op;
  double cost = kCheap;
  bool exact = false;
};

// The row of a primitive, or null.
const UnaryRow* unary_row(std::string_view name);
const BinaryRow* binary_row(std::string_view name);
std::optional<Reduction> reduction(std::string_view name);

}  // namespace davit::kernels
