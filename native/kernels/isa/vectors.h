// Vectors of float32 as wide as those of an instruction set, and how they are read from memory.
// Compiled once for each instruction set, as instructions.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#if defined(__SSE4_1__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#include "kernels/isa/half.h"

namespace davit::kernels {
namespace {

#if defined(__AVX512F__)
constexpr size_t kWidth = 16;
#elif defined(__AVX2__)
constexpr size_t kWidth = 8;
#else
constexpr size_t kWidth = 4;
#endif

typedef float Vector __attribute__((vector_size(kWidth * 4)));
typedef uint32_t Words __attribute__((vector_size(kWidth * 4)));
typedef uint16_t Halves __attribute__((vector_size(kWidth * 2)));

// float16 and bfloat16 in memory.
struct Float16 {
  uint16_t bits;
};
struct Bfloat16 {
  uint16_t bits;
};

inline Vector load(const float* from) {
  Vector result;
  __builtin_memcpy(&result, from, sizeof(result));
  return result;
}
inline void store(float* to, Vector vector) { __builtin_memcpy(to, &vector, sizeof(vector)); }

inline Vector load(const Bfloat16* from) {
  Halves bits;
  __builtin_memcpy(&bits, from, sizeof(bits));
  return __builtin_bit_cast(Vector, __builtin_convertvector(bits, Words) << 16);
}

inline Vector load(const Float16* from) {
#if defined(__AVX512F__)
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
#elif defined(__F16C__)
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
#else
  // As from_f16().
  Halves bits;
  __builtin_memcpy(&bits, from, sizeof(bits));
  auto words = __builtin_convertvector(bits, Words);
  Words magnitude = (words & 0x7fff) << 13;
  auto scaled = __builtin_bit_cast(Words, __builtin_bit_cast(Vector, magnitude) * 0x1p112f);
  Words special = __builtin_bit_cast(Words, magnitude >= (0x7c00u << 13));
  scaled = (scaled & ~special) | ((magnitude | (255u << 23)) & special);
  return __builtin_bit_cast(Vector, scaled | ((words & 0x8000) << 16));
#endif
}

// The first `count` elements, and zeros behind them.
template <typename Element>
inline Vector load_some(const Element* from, size_t count) {
  Element elements[kWidth] = {};
  __builtin_memcpy(elements, from, count * sizeof(Element));
  return load(elements);
}
inline void store_some(float* to, Vector vector, size_t count) {
  __builtin_memcpy(to, &vector, count * sizeof(float));
}

inline float one(const float* from) { return *from; }
inline float one(const Bfloat16* from) { return from_bf16(from->bits); }
inline float one(const Float16* from) {
#if defined(__F16C__)
  return _cvtsh_ss(from->bits);
#else
  return from_f16(from->bits);
#endif
}

inline Vector all(float x) { return x - Vector{}; }

// a * b + c, rounded once where the machine can.
inline Vector multiply_add(Vector a, Vector b, Vector c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__FMA__)
  return _mm256_fmadd_ps(a, b, c);
#elif defined(__ARM_FEATURE_FMA)
  return vfmaq_f32(c, a, b);
#else
  return a * b + c;
#endif
}

// The sum of the elements: halves are added to each other, whatever the width is.
inline float sum(Vector vector) {
  float elements[kWidth];
  __builtin_memcpy(elements, &vector, sizeof(vector));
  for (size_t half = kWidth / 2; half > 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) elements[i] += elements[i + half];
  }
  return elements[0];
}

template <size_t Step, size_t... I>
inline void exchange(Vector& a, Vector& b, std::index_sequence<I...>) {
  constexpr auto kLow = [](size_t i) { return (i & Step) != 0 ? kWidth + i - Step : i; };
  constexpr auto kHigh = [](size_t i) { return (i & Step) != 0 ? kWidth + i : i + Step; };
  Vector low = __builtin_shufflevector(a, b, static_cast<int>(kLow(I))...);
  Vector high = __builtin_shufflevector(a, b, static_cast<int>(kHigh(I))...);
  a = low;
  b = high;
}

// Rows become columns.
template <size_t Step = kWidth / 2>
inline void transpose(Vector (&rows)[kWidth]) {
#pragma GCC unroll 16
  for (size_t i = 0; i < kWidth; ++i) {
    if ((i & Step) == 0)
      exchange<Step>(rows[i], rows[i + Step], std::make_index_sequence<kWidth>());
  }
  if constexpr (Step > 1) transpose<Step / 2>(rows);
}

// The sums of the elements of so many vectors.
inline Vector sums(Vector (&vectors)[kWidth]) {
  transpose(vectors);
  for (size_t half = kWidth / 2; half > 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) vectors[i] += vectors[i + half];
  }
  return vectors[0];
}

// The first `count` lanes.
inline Words first_lanes(size_t count) {
  Words lanes;
  for (size_t i = 0; i < kWidth; ++i) lanes[i] = i < count ? ~uint32_t{0} : 0;
  return lanes;
}

// The elements of these lanes, and zeros in all others.
inline Vector only(Vector vector, Words lanes) {
  return __builtin_bit_cast(Vector, __builtin_bit_cast(Words, vector) & lanes);
}

}  // namespace
}  // namespace davit::kernels
