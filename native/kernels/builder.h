// Writes programs.
#pragma once

#include <mlx/mlx.h>

#include <optional>
#include <utility>
#include <vector>

#include "kernels/program.h"
#include "kernels/rows.h"

namespace davit::kernels {

// A program in the making: primitives of MLX become its instructions.
class ProgramBuilder {
 public:
  // A value from memory. Inputs come before all instructions.
  int input(mlx::core::Dtype dtype, Extent extent);
  // Adds the instructions of a primitive whose operands are these values; returns its value.
  int add(const mlx::core::array& result, const std::vector<int>& operands);
  void output(int value, mlx::core::Dtype dtype);
  // The program, which is then this object's no more.
  Program build() { return std::move(program_); }

 private:
  int value(Type type, Extent extent);
  int unary(Unary op, int a, double cost = kFunction);
  int binary(Binary op, int a, int b, double cost = kCheap);
  int cast(int a, Type to);
  int reduce(Reduction op, int a);
  int search(Search op, int a);
  int repeat(int a);
  int step(Step step, Value value, double cost);
  int round(int value, std::optional<Half> half);
  int power(int base, double exponent);
  int elementwise(const mlx::core::array& result, const std::vector<int>& operands);
  int softmax(const mlx::core::array& result, int a);
  int logsumexp(int a);
  Type type_of(int value) const { return program_.values[static_cast<size_t>(value)].type; }

  Program program_;
};

}  // namespace davit::kernels
