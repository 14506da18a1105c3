// float16 and bfloat16 from and to float32, rounded to the nearest even.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__F16C__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "kernels/isa/math.h"

namespace davit::kernels {
namespace {

inline float from_bf16(uint16_t half) {
  return float_of(static_cast<int32_t>(uint32_t{half} << 16));
}

inline uint16_t to_bf16(float x) {
  uint32_t bits = static_cast<uint32_t>(bits_of(x));
  uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  // Rounding could make an infinity of a NaN.
  return static_cast<uint16_t>(x != x ? (bits >> 16) | 0x40 : rounded);
}

// The formulas of Fabian Giesen's "half to float done quick": the exponent is moved, and subnormal
// numbers are made by an addition or a multiplication of floats.
inline float from_f16(uint16_t half) {
  uint32_t magnitude = static_cast<uint32_t>(half & 0x7fff) << 13;
  float scaled = float_of(static_cast<int32_t>(magnitude)) * 0x1p112f;
  uint32_t bits = static_cast<uint32_t>(bits_of(scaled));
  bits = magnitude >= (0x7c00u << 13) ? magnitude | (255u << 23) : bits;
  return float_of(static_cast<int32_t>(bits | (static_cast<uint32_t>(half & 0x8000) << 16)));
}

inline uint16_t to_f16(float x) {
  uint32_t bits = static_cast<uint32_t>(bits_of(x));
  uint32_t sign = bits & 0x80000000u;
  uint32_t magnitude = bits ^ sign;
  // Below the smallest normal half: the addition rounds to a multiple of the smallest subnormal
  // one.
  uint32_t small =
      static_cast<uint32_t>(bits_of(float_of(static_cast<int32_t>(magnitude)) + 0.5f)) -
      static_cast<uint32_t>(bits_of(0.5f));
  uint32_t normal = (magnitude - (112u << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13;
  uint32_t half = magnitude < (113u << 23) ? small : normal;
  half = magnitude >= (143u << 23) ? 0x7c00 : half;
  half = magnitude > (255u << 23) ? 0x7e00 | ((magnitude >> 13) & 0x3ff) : half;
  return static_cast<uint16_t>(half | (sign >> 16));
}

inline void widen_f16(const uint16_t* in, float* out, size_t count) {
  size_t i = 0;
#if defined(__AVX512F__)
  for (; i + 16 <= count; i += 16) {
    auto half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + i));
    _mm512_storeu_ps(out + i, _mm512_cvtph_ps(half));
  }
#elif defined(__F16C__)
  for (; i + 8 <= count; i += 8) {
    auto half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i));
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(half));
  }
#endif
  for (; i < count; ++i) out[i] = from_f16(in[i]);
}

inline void narrow_f16(const float* in, uint16_t* out, size_t count) {
  size_t i = 0;
#if defined(__AVX512F__)
  for (; i + 16 <= count; i += 16) {
    auto half = _mm512_cvtps_ph(_mm512_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), half);
  }
#elif defined(__F16C__)
  for (; i + 8 <= count; i += 8) {
    auto half = _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), half);
  }
#endif
  for (; i < count; ++i) out[i] = to_f16(in[i]);
}

inline void round_f16(const float* in, float* out, size_t count) {
  size_t i = 0;
#if defined(__AVX512F__)
  for (; i + 16 <= count; i += 16) {
    auto half = _mm512_cvtps_ph(_mm512_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT);
    _mm512_storeu_ps(out + i, _mm512_cvtph_ps(half));
  }
#elif defined(__F16C__)
  for (; i + 8 <= count; i += 8) {
    auto half = _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT);
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(half));
  }
#endif
  for (; i < count; ++i) out[i] = from_f16(to_f16(in[i]));
}

}  // namespace
}  // namespace davit::kernels
