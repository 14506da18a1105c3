// Elementary functions of float32 as straight code, which a compiler turns into vector
// instructions.
//
// Each is within 2 ulp, and right at zeros, subnormal numbers, infinities and NaN. This header is
// compiled once for each instruction set: everything in it is static, so that no linker mixes them
// up. Where there is no fused multiply-add, products are rounded.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/isa/coefficients.h"

namespace davit::kernels {
namespace {

constexpr float kInfinity = __builtin_inff();
constexpr float kNaN = __builtin_nanf("");
// Adding it rounds to an integer, which stands in the lowest bits of the sum.
constexpr float kRound = 0x1.8p23f;
constexpr float kLog2e = 0x1.715476p0f;
// log(2) in two parts; the first has few bits, so that its product with an exponent is exact.
constexpr float kLn2High = 0x1.63p-1f;
constexpr float kLn2Low = -0x1.bd0106p-13f;

inline int32_t bits_of(float x) { return __builtin_bit_cast(int32_t, x); }
inline float float_of(int32_t bits) { return __builtin_bit_cast(float, bits); }

inline float multiply_add(float a, float b, float c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

// Not a loop: compilers unroll that too late to see that it can be a vector's.
template <int From = 0, int N>
inline float polynomial(const float (&coefficients)[N], float x) {
  if constexpr (From == N - 1) {
    return coefficients[From];
  } else {
    return multiply_add(polynomial<From + 1>(coefficients, x), x, coefficients[From]);
  }
}

inline float absolute(float x) { return float_of(bits_of(x) & 0x7fffffff); }
inline float with_sign_of(float x, float sign) {
  return float_of((bits_of(x) & 0x7fffffff) | (bits_of(sign) & static_cast<int32_t>(0x80000000)));
}

// 2^n for -126 <= n <= 127.
inline float power_of_two(int32_t n) { return float_of((n + 127) << 23); }

// x as n log(2) + r with |r| <= log(2) / 2.
struct Reduced {
  int32_t n;
  float r;
};

inline Reduced reduce_exponent(float x) {
  float rounded = multiply_add(x, kLog2e, kRound);
  int32_t n = bits_of(rounded) - bits_of(kRound);
  float whole = rounded - kRound;
  float r = multiply_add(whole, -kLn2High, x);
  return {n, multiply_add(whole, -kLn2Low, r)};
}

// exp(r) - 1 for |r| <= log(2) / 2.
inline float expm1_reduced(float r) {
  return multiply_add(r * r, polynomial(coefficients::kExp, r), r);
}

inline float exp(float x) {
  float inside = x < -104.0f ? -104.0f : x;  // NaN stays
  inside = inside > 89.0f ? 89.0f : inside;
  auto [n, r] = reduce_exponent(inside);
  // In two steps, since 2^n alone may be out of range.
  int32_t half = n >> 1;
  return (expm1_reduced(r) + 1.0f) * power_of_two(half) * power_of_two(n - half);
}

inline float expm1(float x) {
  float inside = x < -20.0f ? -20.0f : x;
  inside = inside > 89.0f ? 89.0f : inside;
  auto [n, r] = reduce_exponent(inside);
  float half = power_of_two(n - 1);  // 2^128 is out of range
  float result = 2.0f * multiply_add(half, expm1_reduced(r), half - 0.5f);
  return absolute(x) < 0x1p-24f ? x : result;  // keeps the sign of zero
}

// x as 2^e m with sqrt(1/2) <= m < sqrt(2), for positive numbers that are not subnormal.
struct Split {
  int32_t e;
  float m;
};

inline Split split_exponent(float x) {
  int32_t e = (bits_of(x) - 0x3f3504f3) >> 23;
  return {e, float_of(bits_of(x) - static_cast<int32_t>(static_cast<uint32_t>(e) << 23))};
}

// log1p(f) without f itself, for sqrt(1/2) <= 1 + f < sqrt(2).
inline float log1p_rest(float f) {
  float square = f * f;
  return multiply_add(-0.5f, square, square * f * polynomial(coefficients::kLog, f));
}

inline float log_of_special(float x, float result) {
  result = x == kInfinity ? kInfinity : result;
  result = x == 0.0f ? -kInfinity : result;
  return x >= 0.0f ? result : kNaN;
}

inline float log(float x) {
  bool small = x < 0x1p-126f;
  auto [e, m] = split_exponent(small ? x * 0x1p23f : x);
  float exponent = static_cast<float>(small ? e - 23 : e);
  float f = m - 1.0f;
  float rest = multiply_add(exponent, kLn2Low, log1p_rest(f));
  return log_of_special(x, multiply_add(exponent, kLn2High, f + rest));
}

inline float log2(float x) {
  bool small = x < 0x1p-126f;
  auto [e, m] = split_exponent(small ? x * 0x1p23f : x);
  float exponent = static_cast<float>(small ? e - 23 : e);
  float f = m - 1.0f;
  float rest = log1p_rest(f);
  // log2(e) f is as good as exact in double precision, and is most of the result.
  double result = exponent + 1.4426950408889634 * (static_cast<double>(f) + rest);
  return log_of_special(x, static_cast<float>(result));
}

inline float log1p(float x) {
  float sum = 1.0f + x;
  float lost = x - (sum - 1.0f);
  lost = absolute(x) > 0x1p23f ? 0.0f : lost;
  auto [e, m] = split_exponent(sum);
  // Brought to the scale of m.
  int32_t shift = e > 126 ? 126 : e;
  float f = (m - 1.0f) + lost * float_of((127 - shift) << 23);
  float exponent = static_cast<float>(e);
  float rest = multiply_add(exponent, kLn2Low, log1p_rest(f));
  float result = log_of_special(sum, multiply_add(exponent, kLn2High, f + rest));
  return absolute(x) < 0x1p-24f ? x : result;
}

inline float erf(float x) {
  float t = absolute(x);
  float near = multiply_add(x, polynomial(coefficients::kErf, t * t), x);
  float inside = t > 4.0f ? 4.0f : t;
  float far = 1.0f - exp(-polynomial(coefficients::kErfc, inside - 2.0f));
  return t > 0.98f ? with_sign_of(far, x) : near;
}

inline float tanh(float x) {
  float t = absolute(x);
  float square = x * x;
  float near = multiply_add(x * square, polynomial(coefficients::kTanh, square), x);
  float far = 1.0f - 2.0f / (exp(2.0f * t) + 1.0f);
  return with_sign_of(t > 0.625f ? far : near, x);
}

inline float sigmoid(float x) {
  float e = exp(-absolute(x));
  float numerator = x < 0.0f ? e : 1.0f;
  float sum = 1.0f + e;
  float lost = e - (sum - 1.0f);
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  // A step of Newton's method takes the rounding of the sum and of the quotient back.
  float inverse = 1.0f / sum;
  float quotient = numerator * inverse;
  float rest = multiply_add(-quotient, lost, multiply_add(-quotient, sum, numerator));
  return multiply_add(rest, inverse, quotient);
#else
  return static_cast<float>(numerator / (static_cast<double>(sum) + lost));
#endif
}

// Beyond it the reduction by pi/2 is not exact.
constexpr float kLargestAngle = 0x1p20f;

// The sine of x + quarters * pi/2, for |x| <= kLargestAngle.
inline float sine(float x, int32_t quarters) {
  constexpr double kRoundDouble = 0x1.8p52;
  double rounded = x * 0x1.45f306dc9c883p-1 + kRoundDouble;
  double n = rounded - kRoundDouble;
  // pi/2 in two parts, the first with so few bits that its product with n is exact.
  float r = static_cast<float>((x - n * 0x1.921fb544p0) - n * 0x1.0b4611a626331p-34);
  int32_t quarter = static_cast<int32_t>(n) + quarters;
  float square = r * r;
  float sin = multiply_add(r * square, polynomial(coefficients::kSin, square), r);
  float cos = multiply_add(square * square, polynomial(coefficients::kCos, square),
                           multiply_add(-0.5f, square, 1.0f));
  float result = (quarter & 1) != 0 ? cos : sin;
  return (quarter & 2) != 0 ? -result : result;
}

}  // namespace
}  // namespace davit::kernels
