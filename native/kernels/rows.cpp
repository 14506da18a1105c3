#include "kernels/rows.h"

#include <unordered_map>

namespace davit::kernels {

namespace {

constexpr double kLibraryFunction = 10;

template <typename Row>
const Row* found(const std::unordered_map<std::string_view, Row>& rows, std::string_view name) {
  auto row = rows.find(name);
  return row == rows.end() ? nullptr : &row->second;
}

}  // namespace

const UnaryRow* unary_row(std::string_view name) {
  static const std::unordered_map<std::string_view, UnaryRow> rows = {
      {"Abs", {Unary::absolute, kCheap, true}},
      {"Negative", {Unary::negative, kCheap, true}},
      {"Sign", {Unary::sign, kCheap, true}},
      {"Square", {Unary::square}},
      {"BitwiseInvert", {Unary::bitwise_invert}},
      {"LogicalNot", {Unary::logical_not}},
      {"Ceil", {Unary::ceil, kCheap, true}},
      {"Floor", {Unary::floor, kCheap, true}},
      {"Round", {Unary::round, kCheap, true}},
      {"Sqrt", {Unary::sqrt, kFunction}},
      {"Rsqrt", {Unary::rsqrt, kFunction}},
      {"Exp", {Unary::exp, kFunction}},
      {"Expm1", {Unary::expm1, kFunction}},
      {"Log", {Unary::log, kFunction}},
      {"Log2", {Unary::log2, kFunction}},
      {"Log10", {Unary::log10, kLibraryFunction}},
      {"Log1p", {Unary::log1p, kFunction}},
      {"Erf", {Unary::erf, 2 * kFunction}},
      {"Sigmoid", {Unary::sigmoid, kFunction}},
      {"Sin", {Unary::sin, kFunction}},
      {"Cos", {Unary::cos, kFunction}},
      {"Tan", {Unary::tan, kLibraryFunction}},
      {"Sinh", {Unary::sinh, kLibraryFunction}},
      {"Cosh", {Unary::cosh, kLibraryFunction}},
      {"Tanh", {Unary::tanh, kFunction}},
      {"ArcSin", {Unary::arcsin, kLibraryFunction}},
      {"ArcCos", {Unary::arccos, kLibraryFunction}},
      {"ArcTan", {Unary::arctan, kLibraryFunction}},
      {"ArcSinh", {Unary::arcsinh, kLibraryFunction}},
      {"ArcCosh", {Unary::arccosh, kLibraryFunction}},
      {"ArcTanh", {Unary::arctanh, kLibraryFunction}},
  };
  return found(rows, name);
}

const BinaryRow* binary_row(std::string_view name) {
  static const std::unordered_map<std::string_view, BinaryRow> rows = {
      {"Add", {Binary::add}},
      {"Subtract", {Binary::subtract}},
      {"Multiply", {Binary::multiply}},
      {"Divide", {Binary::divide}},
      {"Maximum", {Binary::maximum, kCheap, true}},
      {"Minimum", {Binary::minimum, kCheap, true}},
      {"Power", {Binary::power, kLibraryFunction}},
      {"Remainder", {Binary::remainder, kLibraryFunction}},
      {"FloorDivide", {Binary::floor_divide, kFunction}},
      {"LogAddExp", {Binary::logaddexp, 2 * kFunction}},
      {"ArcTan2", {Binary::arctan2, kLibraryFunction}},
      {"BitwiseAnd", {Binary::bitwise_and}},
      {"BitwiseOr", {Binary::bitwise_or}},
      {"BitwiseXor", {Binary::bitwise_xor}},
      {"LogicalAnd", {Binary::bitwise_and}},
      {"LogicalOr", {Binary::bitwise_or}},
      {"LeftShift", {Binary::left_shift}},
      {"RightShift", {Binary::right_shift}},
      {"Equal", {Binary::equal}},
      {"NaNEqual", {Binary::equal_or_both_nan}},
      {"NotEqual", {Binary::not_equal}},
      {"Less", {Binary::less}},
      {"LessEqual", {Binary::less_equal}},
      {"Greater", {Binary::greater}},
      {"GreaterEqual", {Binary::greater_equal}},
  };
  return found(rows, name);
}

std::optional<Reduction> reduction(std::string_view name) {
  if (name == "Sum") return Reduction::sum;
  if (name == "Prod") return Reduction::product;
  if (name == "Max") return Reduction::max;
  if (name == "Min") return Reduction::min;
  if (name == "And") return Reduction::all;
  if (name == "Or") return Reduction::any;
  return std::nullopt;
}

}  // namespace davit::kernels
