#include "kernels/builder.h"

#include <mlx/primitives.h>

#include <cmath>
#include <string_view>

#include "kernels/constants.h"
#include "kernels/primitives.h"
#include "kernels/rows.h"

namespace davit::kernels {

namespace mx = mlx::core;

namespace {

// Powers up to here are products in double precision, which is exact enough.
constexpr double kLargestExponent = 64;

// The place of an element's size in the tables of what only moves elements.
int by_size(Type type) {
  size_t size = size_of(type);
  return size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3;
}

// The exponent of a power, where it is a small whole number.
std::optional<double> integer_exponent(const mx::array& result) {
  if (std::string_view(result.primitive().name()) != "Power") return std::nullopt;
  auto exponent = constant_of(result.inputs()[1]);
  if (!exponent || std::abs(*exponent) > kLargestExponent) return std::nullopt;
  return *exponent == std::floor(*exponent) ? exponent : std::nullopt;
}

}  // namespace

int ProgramBuilder::value(Type type, Extent extent) {
  program_.values.push_back({type, extent});
  return static_cast<int>(program_.values.size()) - 1;
}

int ProgramBuilder::input(mx::Dtype dtype, Extent extent) {
  auto as = *held(dtype);
  int number = value(as.type, extent);
  program_.inputs.push_back({number, as.half});
  program_.cost += kCheap;
  return number;
}

void ProgramBuilder::output(int number, mx::Dtype dtype) {
  program_.outputs.push_back({number, held(dtype)->half});
  program_.cost += kCheap;
}

int ProgramBuilder::step(Step made, Value result, double cost) {
  made.out = value(result.type, result.extent);
  program_.steps.push_back(made);
  // What is narrow is little.
  if (result.extent == Extent::wide || made.row_kernel != nullptr) program_.cost += cost;
  return made.out;
}

int ProgramBuilder::unary(Unary op, int a, double cost) {
  auto from = program_.values[static_cast<size_t>(a)];
  Step made;
  made.kernel = instructions()->unary[static_cast<int>(op)][index(from.type)];
  made.a = a;
  return step(made, from, cost);
}

int ProgramBuilder::binary(Binary op, int a, int b, double cost) {
  auto from = program_.values[static_cast<size_t>(a)];
  Step made;
  made.kernel = instructions()->binary[static_cast<int>(op)][index(from.type)];
  made.a = a;
  made.b = b;
  auto type = op >= Binary::equal ? Type::boolean : from.type;
  return step(made, {type, from.extent}, cost);
}

int ProgramBuilder::cast(int a, Type to) {
  auto from = program_.values[static_cast<size_t>(a)];
  Step made;
  made.kernel = instructions()->cast[index(from.type)][index(to)];
  made.a = a;
  return step(made, {to, from.extent}, kCheap);
}

int ProgramBuilder::reduce(Reduction op, int a) {
  auto type = type_of(a);
  Step made;
  made.row_kernel = instructions()->reduce[static_cast<int>(op)][index(type)];
  made.a = a;
  return step(made, {type, Extent::narrow}, kCheap);
}

int ProgramBuilder::search(Search op, int a) {
  Step made;
  made.row_kernel = instructions()->search[static_cast<int>(op)][index(type_of(a))];
  made.of_parts = false;
  made.a = a;
  return step(made, {Type::u32, Extent::narrow}, kCheap);
}

int ProgramBuilder::repeat(int a) {
  auto type = type_of(a);
  Step made;
  made.row_kernel = instructions()->repeat[by_size(type)];
  made.a = a;
  return step(made, {type, Extent::wide}, kCheap);
}

// The last step's result, rounded.
int ProgramBuilder::round(int number, std::optional<Half> half) {
  if (half) program_.steps.back().round = instructions()->round[static_cast<int>(*half)];
  return number;
}

// Up to the fourth power products of the type itself are within 2 units in the last place, and
// several times as fast.
int ProgramBuilder::power(int base, double exponent) {
  if (exponent == 2 || exponent == 3 || exponent == 4) {
    int square = binary(Binary::multiply, base, base);
    if (exponent == 2) return square;
    return binary(Binary::multiply, square, exponent == 3 ? base : square);
  }
  int made = unary(Unary::integer_power, base);
  program_.steps.back().immediate = exponent;
  return made;
}

int ProgramBuilder::elementwise(const mx::array& result, const std::vector<int>& operands) {
  std::string_view name = result.primitive().name();
  auto out = *held(result.dtype());
  auto extent = program_.values[static_cast<size_t>(operands[0])].extent;
  if (const auto* row = unary_row(name)) {
    int made = unary(row->op, operands[0], row->cost);
    return row->exact ? made : round(made, out.half);
  }
  if (auto exponent = integer_exponent(result)) {
    return round(power(operands[0], *exponent), out.half);
  }
  if (name == "FloorDivide" && out.half) {
    // The quotient is rounded before it is rounded down.
    return unary(Unary::floor, round(binary(Binary::divide, operands[0], operands[1]), out.half));
  }
  if (const auto* row = binary_row(name)) {
    int made = binary(row->op, operands[0], operands[1], row->cost);
    return row->exact ? made : round(made, out.half);
  }
  if (name == "AsType") return round(cast(operands[0], out.type), out.half);
  Step made;
  made.kernel = instructions()->select[by_size(out.type)];
  made.a = operands[0];
  made.b = operands[1];
  made.c = operands[2];
  return step(made, {out.type, extent}, kCheap);
}

int ProgramBuilder::softmax(const mx::array& result, int a) {
  int shifted = binary(Binary::subtract, a, repeat(reduce(Reduction::max, a)));
  int powers = unary(Unary::exp, shifted);
  int quotient = binary(Binary::divide, powers, repeat(reduce(Reduction::sum, powers)));
  return round(quotient, held(result.dtype())->half);
}

int ProgramBuilder::logsumexp(int a) {
  int greatest = reduce(Reduction::max, a);
  int powers = unary(Unary::exp, binary(Binary::subtract, a, repeat(greatest)));
  int sum = binary(Binary::add, greatest, unary(Unary::log, reduce(Reduction::sum, powers)));
  // An infinity less itself is not a number, so such a row's result is the infinity.
  int infinite = binary(Binary::equal, greatest, binary(Binary::add, greatest, greatest));
  int zero = binary(Binary::equal, greatest, binary(Binary::subtract, greatest, greatest));
  Step made;
  made.kernel = instructions()->select[2];
  made.a = binary(Binary::greater, infinite, zero);
  made.b = greatest;
  made.c = sum;
  return step(made, {Type::f32, Extent::narrow}, kCheap);
}

int ProgramBuilder::add(const mx::array& result, const std::vector<int>& operands) {
  std::string_view name = result.primitive().name();
  auto role = part_of(result).role;
  if (role == Role::elementwise) return elementwise(result, operands);
  if (role == Role::repetition) return repeat(operands[0]);
  if (auto op = kernels::search(result)) return search(*op, operands[0]);
  auto half = held(result.dtype())->half;
  if (name == "Softmax") return softmax(result, operands[0]);
  if (name == "LogSumExp") return round(logsumexp(operands[0]), half);
  auto type = held(result.dtype())->type;
  int from = type_of(operands[0]) == type ? operands[0] : cast(operands[0], type);
  return round(reduce(*reduction(name), from), half);
}

}  // namespace davit::kernels
