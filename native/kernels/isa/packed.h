// Numbers packed in few bits, read as float32. Compiled once for each instruction set, as
// instructions.cpp.
//
// A row is a stream of bits, the lowest of the first byte first: number i is bits i * Bits to
// (i + 1) * Bits.
#pragma once

#include "kernels/isa/vectors.h"
#include "kernels/products/loops.h"

namespace davit::kernels {
namespace {

using Kind = Packing::Kind;

// The value of numbers whose words have no other bits.
template <Kind Meaning, int Bits>
inline Vector meaning_of(Words words) {
  if constexpr (Meaning == Kind::integer) {
    typedef int32_t Signed __attribute__((vector_size(sizeof(Words))));
    return __builtin_convertvector(__builtin_bit_cast(Signed, words), Vector);
  } else {
    // Sign, exponent and fraction moved to where a float has them; the factor corrects the
    // exponent, also of subnormal numbers. 2 bits of exponent and 1 of fraction, or 4 and 3.
    constexpr bool small = Meaning == Kind::float4;
    constexpr uint32_t magnitude = small ? 7 : 127;
    constexpr int shift = small ? 22 : 20;
    constexpr float factor = small ? 0x1p126f : 0x1p120f;
    Vector scaled = __builtin_bit_cast(Vector, (words & magnitude) << shift) * factor;
    Words sign = (words & (magnitude + 1)) << (small ? 28 : 24);
    // All bits of an 8-bit float that is not a number are set.
    if constexpr (!small) sign |= __builtin_bit_cast(Words, (words & magnitude) == magnitude) << 22;
    return __builtin_bit_cast(Vector, __builtin_bit_cast(Words, scaled) | sign);
  }
}

// Eight numbers, which are `Bits` bytes. Their parts are read as integers: what is copied byte by
// byte would have to be stored before it can be read.
template <int Bits>
inline uint64_t eight_of(const uint8_t* packed) {
  auto part = [&]<typename T>(T value, int at) -> uint64_t {
    __builtin_memcpy(&value, packed + at, sizeof(value));
    return uint64_t{value} << (8 * at);
  };
  if constexpr (Bits == 1) return part(uint8_t{}, 0);
  if constexpr (Bits == 2) return part(uint16_t{}, 0);
  if constexpr (Bits == 3) return part(uint16_t{}, 0) | part(uint8_t{}, 2);
  if constexpr (Bits == 4) return part(uint32_t{}, 0);
  if constexpr (Bits == 5) return part(uint32_t{}, 0) | part(uint8_t{}, 4);
  if constexpr (Bits == 6) return part(uint32_t{}, 0) | part(uint16_t{}, 4);
  return part(uint64_t{}, 0);
}

template <size_t N>
struct Lanes {
  uint32_t at[N];
};

// What each lane's word is shifted by, where `Together` numbers are in one word.
template <int Bits, size_t Together>
constexpr Lanes<kWidth> shifts_of() {
  Lanes<kWidth> result{};
  for (size_t i = 0; i < kWidth; ++i) result.at[i] = static_cast<uint32_t>(i % Together * Bits);
  return result;
}

template <int Bits, size_t Together>
inline Words shifts() {
  static constexpr auto lanes = shifts_of<Bits, Together>();
  Words words;
  __builtin_memcpy(&words, &lanes, sizeof(words));
  return words;
}

// Numbers of a byte each.
inline Words bytes_at(const uint8_t* from) {
#if defined(__AVX512F__)
  return __builtin_bit_cast(
      Words, _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#elif defined(__AVX2__)
  return __builtin_bit_cast(
      Words, _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
#elif defined(__SSE4_1__)
  return __builtin_bit_cast(Words, _mm_cvtepu8_epi32(_mm_loadu_si32(from)));
#else
  return Words{from[0], from[1], from[2], from[3]};
#endif
}

// Numbers `first` to `first + kWidth`, in the lowest bits of their words, with other bits above.
template <int Bits>
inline Words spread(const uint8_t* packed, size_t first) {
  const uint8_t* at = packed + first / 8 * Bits;
  if constexpr (Bits == 8) {
    return bytes_at(packed + first);
  } else if constexpr (kWidth * Bits <= 32) {
    // All are in one word; of four that are not whole bytes, in the lower or the upper half of it.
    auto word = static_cast<uint32_t>(eight_of<Bits>(at) >> (first % 8 * Bits));
    if constexpr (kWidth == 16) __builtin_memcpy(&word, at, 2 * Bits);
    return (Words{} + word) >> shifts<Bits, kWidth>();
  }
#if defined(__AVX512F__)
  if constexpr (Bits == 4) {
    __m512i low = _mm512_broadcastd_epi32(_mm_loadu_si32(at));
    __m512i both = _mm512_mask_broadcastd_epi32(low, 0xff00, _mm_loadu_si32(at + 4));
    return __builtin_bit_cast(Words, both) >> shifts<Bits, 8>();
  }
  // The word of 16 bits that holds the first bit of a number, and the next one, for each lane.
  alignas(64) static constexpr auto places = [] {
    struct {
      uint16_t at[32];
    } result{};
    for (int i = 0; i < 16; ++i) {
      result.at[2 * i] = static_cast<uint16_t>(i * Bits / 16);
      result.at[2 * i + 1] = static_cast<uint16_t>(i * Bits / 16 + 1);
    }
    return result;
  }();
  alignas(64) static constexpr auto by = [] {
    Lanes<16> result{};
    for (size_t i = 0; i < 16; ++i) result.at[i] = static_cast<uint32_t>(i * Bits % 16);
    return result;
  }();
  constexpr auto kBytes = static_cast<__mmask32>((uint64_t{1} << (2 * Bits)) - 1);
  __m512i bytes = _mm512_castsi256_si512(_mm256_maskz_loadu_epi8(kBytes, at));
  __m512i words = _mm512_permutexvar_epi16(_mm512_load_si512(&places), bytes);
  return __builtin_bit_cast(Words, _mm512_srlv_epi32(words, _mm512_load_si512(&by)));
#elif defined(__AVX2__)
  uint64_t eight = eight_of<Bits>(at);
  auto low = static_cast<uint32_t>(eight);
  auto high = static_cast<uint32_t>(eight >> (4 * Bits));
  return Words{low, low, low, low, high, high, high, high} >> shifts<Bits, 4>();
#else
  __builtin_unreachable();
#endif
}

#if !defined(__AVX2__) && !defined(__ARM_NEON)
// Machines that shift all lanes alike: what is left of a word is divided by a power of two instead.
template <int Bits>
inline Vector divided(const uint8_t* packed, size_t first) {
  auto word =
      static_cast<uint32_t>(eight_of<Bits>(packed + first / 8 * Bits) >> (first % 8 * Bits));
  constexpr uint32_t mask = (1u << Bits) - 1;
  typedef int32_t Signed __attribute__((vector_size(sizeof(Words))));
  Words masks = {mask, mask << Bits, mask << (2 * Bits), mask << (3 * Bits)};
  constexpr float unit = 1.0f / (mask + 1);
  Vector units = {1, unit, unit * unit, unit * unit * unit};
  auto left = __builtin_bit_cast(Signed, (Words{} + word) & masks);
  return __builtin_convertvector(left, Vector) * units;
}
#endif

// Numbers `first` to `first + kWidth`. `table` is what table_of() returns.
template <Kind Meaning, int Bits>
inline Vector numbers(const uint8_t* packed, size_t first, [[maybe_unused]] Vector table) {
#if defined(__AVX512F__)
  // A permutation looks at the lowest four bits of an index.
  if constexpr (Bits <= 4) {
    return _mm512_permutexvar_ps(__builtin_bit_cast(__m512i, spread<Bits>(packed, first)), table);
  }
#elif !defined(__AVX2__) && !defined(__ARM_NEON)
  if constexpr (Meaning == Kind::integer && Bits < 8) return divided<Bits>(packed, first);
#endif
  return meaning_of<Meaning, Bits>(spread<Bits>(packed, first) & ((1u << Bits) - 1));
}

// The values of all indices of four bits, of which those above `Bits` mean nothing.
template <Kind Meaning, int Bits>
inline Vector table_of() {
  Words words{};
  for (uint32_t i = 0; i < kWidth; ++i) words[i] = i & ((1u << Bits) - 1);
  return meaning_of<Meaning, Bits>(words);
}

template <Kind Meaning, int Bits, size_t Group>
void unpack(const uint8_t* packed, const float* scales, const float* biases, size_t count,
            float* to) {
  Vector table = table_of<Meaning, Bits>();
  for (size_t group = 0; group * Group < count; ++group) {
    Vector scale = all(scales[group]);
    Vector bias = biases == nullptr ? Vector{} : all(biases[group]);
#pragma GCC unroll 4
    for (size_t i = 0; i < Group; i += kWidth, to += kWidth) {
      Vector q = numbers<Meaning, Bits>(packed, group * Group + i, table);
      store(to, multiply_add(q, scale, bias));
    }
  }
}

// Bytes by which memory is asked for before it is read.
constexpr size_t kAhead = 2048;

template <Kind Meaning, int Bits, size_t Group, size_t Rows>
class PackedRows {
 public:
  PackedRows(const float* rows, size_t row_stride, const float* group_sums, size_t group_stride,
             size_t depth)
      : rows_(rows),
        row_stride_(row_stride),
        group_sums_(group_sums),
        group_stride_(group_stride),
        groups_(depth / Group),
        last_(first_lanes(groups_ % kWidth)) {}

  void dots(const uint8_t* packed, const float* scales, const float* biases, size_t count,
            float* to, size_t stride) const {
    for (size_t first = 0; first < count; first += kWidth) {
      Vector block[Rows][kWidth] = {};
      size_t end = count - first < kWidth ? count : first + kWidth;
      for (size_t c = first; c < end; ++c) {
        Vector total[Rows];
        column(packed + c * groups_ * (Group * Bits / 8), scales + c * groups_,
               biases == nullptr ? nullptr : biases + c * groups_, total);
        for (size_t r = 0; r < Rows; ++r) block[r][c - first] = total[r];
      }
      for (size_t r = 0; r < Rows; ++r) store(to + r * stride + first, sums(block[r]));
    }
  }

 private:
  void column(const uint8_t* packed, const float* scales, const float* biases,
              Vector (&total)[Rows]) const {
    Vector table = table_of<Meaning, Bits>();
#pragma GCC unroll 8
    for (size_t r = 0; r < Rows; ++r) total[r] = Vector{};
    for (size_t group = 0; group < groups_; ++group) {
      // The machine's own guesses come too late for so short rows.
      __builtin_prefetch(packed + group * Group * Bits / 8 + kAhead);
      Vector part[Rows];
#pragma GCC unroll 8
      for (size_t r = 0; r < Rows; ++r) part[r] = Vector{};
#pragma GCC unroll 4
      for (size_t i = 0; i < Group; i += kWidth) {
        size_t k = group * Group + i;
        Vector q = numbers<Meaning, Bits>(packed, k, table);
#pragma GCC unroll 8
        for (size_t r = 0; r < Rows; ++r) {
          part[r] = multiply_add(q, load(rows_ + r * row_stride_ + k), part[r]);
        }
      }
      Vector scale = all(scales[group]);
#pragma GCC unroll 8
      for (size_t r = 0; r < Rows; ++r) total[r] = multiply_add(part[r], scale, total[r]);
    }
    if (biases == nullptr) return;
    // The biases times the sums of the groups.
    Vector shift[Rows] = {};
    for (size_t group = 0; group < groups_; group += kWidth) {
      Vector bias = load(biases + group);
      if (groups_ - group < kWidth) bias = only(bias, last_);
#pragma GCC unroll 8
      for (size_t r = 0; r < Rows; ++r) {
        shift[r] = multiply_add(bias, load(group_sums_ + r * group_stride_ + group), shift[r]);
      }
    }
#pragma GCC unroll 8
    for (size_t r = 0; r < Rows; ++r) total[r] += shift[r];
  }

  const float* rows_;
  size_t row_stride_;
  const float* group_sums_;
  size_t group_stride_;
  size_t groups_;
  Words last_;
};

template <Kind Meaning, int Bits, size_t Group>
void packed_dots(const float* rows, size_t row_stride, size_t row_count, const float* group_sums,
                 size_t group_stride, const uint8_t* packed, const float* scales,
                 const float* biases, size_t depth, size_t count, float* sums, size_t sums_stride) {
  auto dots = [&]<size_t Rows>() {
    PackedRows<Meaning, Bits, Group, Rows>(rows, row_stride, group_sums, group_stride, depth)
        .dots(packed, scales, biases, count, sums, sums_stride);
  };
  row_count == 1 ? dots.template operator()<1>() : dots.template operator()<2>();
}

// Calls `found` with the loops of a packing, or returns null.
template <typename Found>
auto with_packing(const Packing& packing, Found found)
    -> decltype(found.template operator()<Kind::integer, 8, 32>()) {
  auto group_of = [&]<int Bits>() -> decltype(found.template operator()<Kind::integer, 8, 32>()) {
    if (packing.group == 32) return found.template operator()<Kind::integer, Bits, 32>();
    if (packing.group == 64) return found.template operator()<Kind::integer, Bits, 64>();
    if (packing.group == 128) return found.template operator()<Kind::integer, Bits, 128>();
    return nullptr;
  };
  if (packing.kind == Kind::float4) {
    if (packing.group == 32) return found.template operator()<Kind::float4, 4, 32>();
    if (packing.group == 16) return found.template operator()<Kind::float4, 4, 16>();
    return nullptr;
  }
  if (packing.kind == Kind::float8) {
    return packing.group == 32 ? found.template operator()<Kind::float8, 8, 32>() : nullptr;
  }
  switch (packing.bits) {
    case 1:
      return group_of.template operator()<1>();
    case 2:
      return group_of.template operator()<2>();
    case 3:
      return group_of.template operator()<3>();
    case 4:
      return group_of.template operator()<4>();
    case 5:
      return group_of.template operator()<5>();
    case 6:
      return group_of.template operator()<6>();
    case 8:
      return group_of.template operator()<8>();
    default:
      return nullptr;
  }
}

Unpack unpack_of(const Packing& packing) {
  return with_packing(packing, []<Kind Meaning, int Bits, size_t Group>() -> Unpack {
    return unpack<Meaning, Bits, Group>;
  });
}

PackedDots packed_dots_of(const Packing& packing) {
  return with_packing(packing, []<Kind Meaning, int Bits, size_t Group>() -> PackedDots {
    return packed_dots<Meaning, Bits, Group>;
  });
}

}  // namespace
}  // namespace davit::kernels
