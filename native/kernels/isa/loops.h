// Loops over contiguous elements, by what they do with one. Compiled once for each instruction set,
// as instructions.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/isa/math.h"

namespace davit::kernels {
namespace {

// Integers wrap around; in C++ only those without a sign do, and only from 32 bits on: smaller ones
// become int first.
template <typename T>
using Wrapping = std::conditional_t<std::is_floating_point_v<T>, T,
                                    std::conditional_t<(sizeof(T) < 8), uint32_t, uint64_t>>;

template <typename From, typename To, auto F>
void map1(const void* a, const void*, const void*, void* out, size_t count, double) {
  auto x = static_cast<const From*>(a);
  auto to = static_cast<To*>(out);
  for (size_t i = 0; i < count; ++i) to[i] = F(x[i]);
}

template <typename From, typename To, auto F>
void map2(const void* a, const void* b, const void*, void* out, size_t count, double) {
  auto x = static_cast<const From*>(a);
  auto y = static_cast<const From*>(b);
  auto to = static_cast<To*>(out);
  for (size_t i = 0; i < count; ++i) to[i] = F(x[i], y[i]);
}

template <bool Cosine>
void angle(const void* a, const void*, const void*, void* out, size_t count, double) {
  auto x = static_cast<const float*>(a);
  auto to = static_cast<float*>(out);
  bool large = false;
  for (size_t i = 0; i < count; ++i) large = large || !(absolute(x[i]) <= kLargestAngle);
  if (large) {
    for (size_t i = 0; i < count; ++i) to[i] = Cosine ? __builtin_cosf(x[i]) : __builtin_sinf(x[i]);
    return;
  }
  for (size_t i = 0; i < count; ++i) {
    float result = sine(x[i], Cosine ? 1 : 0);
    to[i] = !Cosine && x[i] == 0.0f ? x[i] : result;  // keeps the sign of zero
  }
}

template <typename T>
void integer_power(const void* a, const void*, const void*, void* out, size_t count,
                   double immediate) {
  auto x = static_cast<const T*>(a);
  auto to = static_cast<T*>(out);
  bool inverse = immediate < 0;
  int exponent = static_cast<int>(inverse ? -immediate : immediate);
  constexpr size_t kChunk = 64;
  double base[kChunk];
  double result[kChunk];
  for (size_t begin = 0; begin < count; begin += kChunk) {
    size_t length = count - begin < kChunk ? count - begin : kChunk;
    for (size_t i = 0; i < length; ++i) {
      base[i] = x[begin + i];
      result[i] = 1;
    }
    for (int left = exponent; left != 0; left >>= 1) {
      if ((left & 1) != 0) {
        for (size_t i = 0; i < length; ++i) result[i] *= base[i];
      }
      for (size_t i = 0; i < length; ++i) base[i] *= base[i];
    }
    for (size_t i = 0; i < length; ++i) {
      to[begin + i] = static_cast<T>(inverse ? 1.0 / result[i] : result[i]);
    }
  }
}

// The quotient rounded down, 0 where it is of zero. It is exact by way of double precision up to 32
// bits.
template <typename T>
T floor_divide(T x, T y) {
  if constexpr (std::is_floating_point_v<T>) {
    return __builtin_floor(x / y);
  } else if constexpr (sizeof(T) < 8) {
    double quotient = __builtin_floor(static_cast<double>(x) / static_cast<double>(y));
    return y == 0 ? T(0) : static_cast<T>(static_cast<int64_t>(y == 0 ? 0.0 : quotient));
  } else {
    if (y == 0) return 0;
    if constexpr (std::is_signed_v<T>) {
      if (y == -1) return static_cast<T>(0 - static_cast<Wrapping<T>>(x));
      T quotient = x / y;
      return x % y != 0 && (x < 0) != (y < 0) ? quotient - 1 : quotient;
    } else {
      return x / y;
    }
  }
}

// With the sign of the divisor; x where that is zero.
template <typename T>
T remainder(T x, T y) {
  if constexpr (std::is_floating_point_v<T>) {
    T rest = sizeof(T) == 4 ? __builtin_remainderf(x, y) : __builtin_remainder(x, y);
    return rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
  } else {
    using U = Wrapping<T>;
    return static_cast<T>(static_cast<U>(x) -
                          static_cast<U>(floor_divide(x, y)) * static_cast<U>(y));
  }
}

inline float maximum(float x, float y) { return x != x ? x : x > y ? x : y; }

inline float logaddexp(float x, float y) {
  float high = maximum(x, y);
  float low = x != x ? x : x < y ? x : y;
  float result = high + log1p(exp(low - high));
  return low == -kInfinity || high == kInfinity ? high : result;
}

template <typename T>
void select(const void* a, const void* b, const void* c, void* out, size_t count, double) {
  auto condition = static_cast<const uint8_t*>(a);
  auto x = static_cast<const T*>(b);
  auto y = static_cast<const T*>(c);
  auto to = static_cast<T*>(out);
  for (size_t i = 0; i < count; ++i) to[i] = condition[i] != 0 ? x[i] : y[i];
}

template <typename From, typename To>
void cast(const void* a, const void*, const void*, void* out, size_t count, double) {
  auto x = static_cast<const From*>(a);
  auto to = static_cast<To*>(out);
  for (size_t i = 0; i < count; ++i) to[i] = static_cast<To>(x[i]);
}

template <typename From>
void cast_to_boolean(const void* a, const void*, const void*, void* out, size_t count, double) {
  auto x = static_cast<const From*>(a);
  auto to = static_cast<uint8_t*>(out);
  for (size_t i = 0; i < count; ++i) to[i] = x[i] != 0 ? 1 : 0;
}

}  // namespace
}  // namespace davit::kernels
