// Ops on each element, or on pairs of elements of tensors that are broadcast against each other.
#include <limits>

#include "ops/registry.h"

namespace davit {

namespace {

using Unary = mx::array (*)(const mx::array&, mx::StreamOrDevice);
using Binary = mx::array (*)(const mx::array&, const mx::array&, mx::StreamOrDevice);

struct UnaryRow {
  const char* name;
  Unary op;
};

struct BinaryRow {
  const char* name;
  Binary op;
};

const UnaryRow kUnary[] = {
    {"abs", mx::abs},
    {"arccos", mx::arccos},
    {"arccosh", mx::arccosh},
    {"arcsin", mx::arcsin},
    {"arcsinh", mx::arcsinh},
    {"arctan", mx::arctan},
    {"arctanh", mx::arctanh},
    {"bitwise_invert", mx::bitwise_invert},
    {"ceil", mx::ceil},
    {"conjugate", mx::conjugate},
    {"cos", mx::cos},
    {"cosh", mx::cosh},
    {"degrees", mx::degrees},
    {"erf", mx::erf},
    {"erfinv", mx::erfinv},
    {"exp", mx::exp},
    {"expm1", mx::expm1},
    {"floor", mx::floor},
    {"isfinite", mx::isfinite},
    {"isinf", mx::isinf},
    {"isnan", mx::isnan},
    {"isneginf", mx::isneginf},
    {"isposinf", mx::isposinf},
    {"log", mx::log},
    {"log10", mx::log10},
    {"log1p", mx::log1p},
    {"log2", mx::log2},
    {"logical_not", mx::logical_not},
    {"negative", mx::negative},
    {"positive", mx::positive},
    {"radians", mx::radians},
    {"real", mx::real},
    {"reciprocal", mx::reciprocal},
    {"rsqrt", mx::rsqrt},
    {"sigmoid", mx::sigmoid},
    {"sign", mx::sign},
    {"sin", mx::sin},
    {"sinh", mx::sinh},
    {"sqrt", mx::sqrt},
    {"square", mx::square},
    {"stop_gradient", mx::stop_gradient},
    {"tan", mx::tan},
    {"tanh", mx::tanh},
    {"trunc", mx::trunc},
};

const BinaryRow kBinary[] = {
    {"add", mx::add},
    {"arctan2", mx::arctan2},
    {"bitwise_and", mx::bitwise_and},
    {"bitwise_or", mx::bitwise_or},
    {"bitwise_xor", mx::bitwise_xor},
    {"divide", mx::divide},
    {"equal", mx::equal},
    {"greater", mx::greater},
    {"greater_equal", mx::greater_equal},
    {"less", mx::less},
    {"less_equal", mx::less_equal},
    {"logaddexp", mx::logaddexp},
    {"logical_and", mx::logical_and},
    {"logical_or", mx::logical_or},
    {"logical_xor", mx::logical_xor},
    {"maximum", mx::maximum},
    {"minimum", mx::minimum},
    {"multiply", mx::multiply},
    {"not_equal", mx::not_equal},
    {"power", mx::power},
    {"subtract", mx::subtract},
};

// Integer division of what every kernel can divide. By zero, and the smallest integer by -1, the
// machine may raise SIGFPE, or the result is left open: both divisors become 1 here, and the
// results are put in afterwards. By zero the quotient is 0 and the remainder is the dividend, MLX's
// own rule on the CPU; by -1 the quotient is -a, which wraps around, and the remainder is 0.
struct IntegerDivision {
  mx::array a;
  mx::array divisor;
  mx::array by_zero;
  std::optional<mx::array> by_minus_one;  // absent for unsigned integers and booleans

  IntegerDivision(const mx::array& dividend, const mx::array& b, mx::Dtype dtype, mx::Stream s)
      : a(mx::astype(dividend, dtype, s)),
        divisor(mx::astype(b, dtype, s)),
        by_zero(mx::equal(divisor, mx::array(0, dtype), s)) {
    auto one = mx::array(1, dtype);
    if (!mx::issubdtype(dtype, mx::signedinteger)) {
      divisor = mx::maximum(divisor, one, s);
      return;
    }
    by_minus_one = mx::equal(divisor, mx::array(-1, dtype), s);
    divisor = mx::where(mx::logical_or(by_zero, *by_minus_one, s), one, divisor, s);
  }

  mx::array quotient(const mx::array& computed, mx::Stream s) const {
    auto fixed = mx::where(by_zero, mx::array(0, computed.dtype()), computed, s);
    return by_minus_one ? mx::where(*by_minus_one, mx::negative(a, s), fixed, s) : fixed;
  }

  // A division by 1 has the remainder 0, as one by -1 has.
  mx::array remainder(const mx::array& computed, mx::Stream s) const {
    return mx::where(by_zero, a, computed, s);
  }
};

mx::Dtype promoted(const OpCall& call) {
  return mx::promote_types(call[0].dtype(), call[1].dtype());
}

mx::array floor_divide(const OpCall& call) {
  auto dtype = promoted(call);
  auto s = call.stream();
  if (mx::issubdtype(dtype, mx::inexact)) return mx::floor_divide(call[0], call[1], s);
  IntegerDivision division(call[0], call[1], dtype, s);
  return division.quotient(mx::floor_divide(division.a, division.divisor, s), s);
}

mx::array remainder(const OpCall& call) {
  auto dtype = promoted(call);
  auto s = call.stream();
  if (mx::issubdtype(dtype, mx::inexact)) return mx::remainder(call[0], call[1], s);
  IntegerDivision division(call[0], call[1], dtype, s);
  return division.remainder(mx::remainder(division.a, division.divisor, s), s);
}

Arrays divmod(const OpCall& call) {
  auto dtype = promoted(call);
  auto s = call.stream();
  if (mx::issubdtype(dtype, mx::inexact)) return mx::divmod(call[0], call[1], s);
  IntegerDivision division(call[0], call[1], dtype, s);
  auto both = mx::divmod(division.a, division.divisor, s);
  return {division.quotient(both[0], s), division.remainder(both[1], s)};
}

// Shifts by the width of the type or more are undefined in C++: the amount counts modulo the width.
template <Binary shift>
mx::array masked_shift(const OpCall& call) {
  auto s = call.stream();
  auto dtype = promoted(call);
  if (dtype == mx::bool_) dtype = mx::uint8;
  if (!mx::issubdtype(dtype, mx::integer)) return shift(call[0], call[1], s);
  auto mask = mx::array(static_cast<int>(mx::size_of(dtype)) * 8 - 1, dtype);
  auto amount = mx::bitwise_and(mx::astype(call[1], dtype, s), mask, s);
  return shift(mx::astype(call[0], dtype, s), amount, s);
}

// MLX makes the zeros of a real operand on the default stream.
mx::array imag(const OpCall& call) {
  if (call[0].dtype() == mx::complex64) return mx::imag(call[0], call.stream());
  return mx::zeros(call[0].shape(), call[0].dtype(), call.stream());
}

mx::array nan_to_num(const OpCall& call) {
  auto s = call.stream();
  const auto& a = call[0];
  auto given = [&](const char* name) -> std::optional<double> {
    return call.has(name) ? std::optional(call.number(name)) : std::nullopt;
  };
  double nan = call.number("nan");
  auto posinf = given("posinf");
  auto neginf = given("neginf");
  if (a.dtype() != mx::float64) return mx::nan_to_num(a, nan, posinf, neginf, s);
  // MLX knows no limits of float64.
  double largest = std::numeric_limits<double>::max();
  auto replace = [&](const mx::array& where, double value, const mx::array& otherwise) {
    return mx::where(where, mx::array(value, mx::float64), otherwise, s);
  };
  auto finite = replace(mx::isposinf(a, s), posinf.value_or(largest), a);
  finite = replace(mx::isneginf(a, s), neginf.value_or(-largest), finite);
  return replace(mx::isnan(a, s), nan, finite);
}

mx::array isclose(const OpCall& call) {
  return mx::isclose(call[0], call[1], call.number("rtol"), call.number("atol"),
                     call.flag("equal_nan"), call.stream());
}

// Reducing nothing may never come back: see reduction.cpp. Nothing is close, and equal, to nothing.
bool is_empty(const OpCall& call) { return call[0].size() == 0 || call[1].size() == 0; }

mx::array allclose(const OpCall& call) {
  auto close = isclose(call);
  if (is_empty(call)) return mx::array(true);
  return mx::all(close, call.stream());
}

mx::array array_equal(const OpCall& call) {
  bool equal_nan = call.flag("equal_nan");
  if (is_empty(call)) return mx::array(call[0].shape() == call[1].shape());
  return mx::array_equal(call[0], call[1], equal_nan, call.stream());
}

}  // namespace

void add_elementwise_ops(OpTable& table) {
  for (const auto& row : kUnary) {
    table.add1(row.name, [op = row.op](const OpCall& call) { return op(call[0], call.stream()); });
  }
  for (const auto& row : kBinary) {
    table.add1(row.name,
               [op = row.op](const OpCall& call) { return op(call[0], call[1], call.stream()); });
  }
  table.add1("floor_divide", floor_divide);
  table.add1("remainder", remainder);
  table.add("divmod", divmod);
  table.add1("left_shift", masked_shift<mx::left_shift>);
  table.add1("right_shift", masked_shift<mx::right_shift>);
  table.add1("round", [](const OpCall& call) {
    return mx::round(call[0], call.integer("decimals"), call.stream());
  });
  table.add1("imag", imag);
  table.add1("nan_to_num", nan_to_num);
  table.add1("clip", [](const OpCall& call) {
    return mx::clip(call[0], call.optional(1), call.optional(2), call.stream());
  });
  table.add1("where", [](const OpCall& call) {
    return mx::where(call[0], call[1], call[2], call.stream());
  });
  table.add1("isclose", isclose);
  table.add1("allclose", allclose);
  table.add1("array_equal", array_equal);
  table.add1("astype", [](const OpCall& call) {
    return mx::astype(call[0], call.dtype("dtype"), call.stream());
  });
  table.add1("view", [](const OpCall& call) {
    return mx::view(call[0], call.dtype("dtype"), call.stream());
  });
}

}  // namespace davit
