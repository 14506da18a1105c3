// Products of rows in fixed point with integers of 4 bits, compiled once for each instruction set,
// as instructions.cpp.
//
// An element of a row is three signed digits to the base 256, so its products with packed numbers
// are products of bytes, of which machines do many at once. A lane adds up 8 of them, digit by
// digit, the highest first: (s2 * 256 + s1) * 256 + s0. Such a sum is exact, and less than 2^31.
#include "kernels/products/fixed.h"

#include "kernels/isa/vectors.h"

namespace davit::kernels {
namespace {

constexpr size_t kBytes = 4 * kWidth;
static_assert(kLanes % kWidth == 0 && kBytes <= kReadBehind);

typedef int32_t Ints __attribute__((vector_size(kBytes)));

inline Words load_words(const void* from) {
  Words result;
  __builtin_memcpy(&result, from, sizeof(result));
  return result;
}

inline Words load_some_words(const void* from, size_t bytes) {
  Words result{};
  __builtin_memcpy(&result, from, bytes);
  return result;
}

// Bytes hold two numbers, the lower bits the first one.
constexpr size_t kBits = 4;
constexpr size_t kParts = 2;
constexpr size_t kOfLane = 32 / kBits;
// What is taken from each number before it is multiplied, and given back by way of the bias: they
// are less, and so are errors.
constexpr int kCentre = 8;

// Adds to each lane the products of its bytes with digits: those of `low` with the first ones,
// those of `high` with the ones behind them. A sum of four products is less than 2^15.
inline Words add_products(Words sum, Words low, Words high, const int8_t* digits) {
  const int8_t* behind = digits + kBytes;
#if defined(__AVX512VNNI__)
  auto of_low = _mm512_dpbusd_epi32(__builtin_bit_cast(__m512i, sum),
                                    __builtin_bit_cast(__m512i, low), _mm512_load_si512(digits));
  return __builtin_bit_cast(Words, _mm512_dpbusd_epi32(of_low, __builtin_bit_cast(__m512i, high),
                                                       _mm512_load_si512(behind)));
#elif defined(__AVX512F__)
  auto pairs = _mm512_add_epi16(
      _mm512_maddubs_epi16(__builtin_bit_cast(__m512i, low), _mm512_load_si512(digits)),
      _mm512_maddubs_epi16(__builtin_bit_cast(__m512i, high), _mm512_load_si512(behind)));
  return sum + __builtin_bit_cast(Words, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
#elif defined(__AVX2__)
  auto digits_at = [](const int8_t* from) { return __builtin_bit_cast(__m256i, load_words(from)); };
  auto pairs =
      _mm256_add_epi16(_mm256_maddubs_epi16(__builtin_bit_cast(__m256i, low), digits_at(digits)),
                       _mm256_maddubs_epi16(__builtin_bit_cast(__m256i, high), digits_at(behind)));
  return sum + __builtin_bit_cast(Words, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#elif defined(__SSE4_1__)
  auto digits_at = [](const int8_t* from) { return __builtin_bit_cast(__m128i, load_words(from)); };
  auto pairs =
      _mm_add_epi16(_mm_maddubs_epi16(__builtin_bit_cast(__m128i, low), digits_at(digits)),
                    _mm_maddubs_epi16(__builtin_bit_cast(__m128i, high), digits_at(behind)));
  return sum + __builtin_bit_cast(Words, _mm_madd_epi16(pairs, _mm_set1_epi16(1)));
#else
  auto products = [](int8x16_t numbers, int8x16_t of_row, int16x8_t(&to)[2]) {
    to[0] = vmlal_s8(to[0], vget_low_s8(numbers), vget_low_s8(of_row));
    to[1] = vmlal_high_s8(to[1], numbers, of_row);
  };
  int16x8_t sums[2] = {vdupq_n_s16(0), vdupq_n_s16(0)};
  products(__builtin_bit_cast(int8x16_t, low), vld1q_s8(digits), sums);
  products(__builtin_bit_cast(int8x16_t, high), vld1q_s8(behind), sums);
  // Two of a lane's four are added to each other.
  auto pairs = vpaddq_s16(sums[0], sums[1]);
  return __builtin_bit_cast(Words, vpadalq_s16(__builtin_bit_cast(int32x4_t, sum), pairs));
#endif
}

// Of `scales`, that of each lane of a vector: the `number`-th one of those that groups of `Lanes`
// lanes fill.
template <size_t Lanes>
inline Vector of_lanes(Vector scales, size_t number) {
#if defined(__AVX2__)
  Words groups;
  for (uint32_t i = 0; i < kWidth; ++i) groups[i] = i / Lanes;
  groups += static_cast<uint32_t>(number * kWidth / Lanes);
#if defined(__AVX512F__)
  return _mm512_permutexvar_ps(__builtin_bit_cast(__m512i, groups), scales);
#else
  return _mm256_permutevar8x32_ps(scales, __builtin_bit_cast(__m256i, groups));
#endif
#else
  return all(scales[number * kWidth / Lanes]);
#endif
}

template <size_t Group, typename Scale>
class Dots {
 public:
  static void of(const FixedRow& row, const uint8_t* packed, const void* scales, const void* biases,
                 size_t depth, size_t count, size_t inner, float* to) {
    Dots dots(row, depth);
    auto of_scales = static_cast<const Scale*>(scales);
    auto of_biases = static_cast<const Scale*>(biases);
    size_t groups = depth / Group;
    for (size_t first = 0; first < count; first += kWidth) {
      Vector block[kWidth] = {};
      size_t end = count - first < kWidth ? count : first + kWidth;
      for (size_t c = first; c < end; ++c) {
        block[c - first] = dots.column(packed + c * depth * kBits / 8, of_scales + c * groups,
                                       of_biases + c * groups, c < inner);
      }
      store(to + first, sums(block));
    }
  }

 private:
  static constexpr size_t kGroupLanes = Group / kOfLane;
  // Vectors that one group fills.
  static constexpr size_t kOfGroup = kGroupLanes > kWidth ? kGroupLanes / kWidth : 1;
  // Bytes by which memory is asked for before it is read: the machine's own guesses come too late
  // for so short columns.
  static constexpr size_t kAhead = 2048;

  Dots(const FixedRow& row, size_t depth)
      : row_(row),
        groups_(depth / Group),
        last_groups_(groups_ % kWidth),
        last_(first_lanes(last_groups_)) {}

  Vector column(const uint8_t* packed, const Scale* scales, const Scale* biases,
                bool is_inner) const {
    // The fewer numbers there are in a sum, the more exact it is.
    Vector total{};
    Vector other{};
    Vector shift{};  // of all numbers by the centre and the bias
    size_t group = 0;
    size_t vector = 0;
    auto add_shift = [&](Vector scale, Vector bias) {
      Vector centred = multiply_add(scale, all(kCentre), bias);
      shift = multiply_add(centred, load(row_.sums + group), shift);
    };
    auto add_vectors = [&](Vector& to, Vector scale, size_t number, auto&& bytes) {
      Vector part{};
#pragma GCC unroll 4
      for (size_t i = 0; i < kOfGroup; ++i, ++vector) {
        __builtin_prefetch(packed + vector * kBytes + kAhead);
        part = multiply_add(products(bytes(packed + vector * kBytes), vector),
                            load(row_.scales + vector * kWidth), part);
      }
      to = multiply_add(part, of_lanes<kGroupLanes>(scale, number), to);
    };
    for (; group + kWidth <= groups_; group += kWidth) {
      Vector scale = load(scales + group);
      add_shift(scale, load(biases + group));
#pragma GCC unroll 2
      for (size_t i = 0; i < kGroupLanes; i += 2 * kOfGroup) {
        add_vectors(total, scale, i, load_words);
        add_vectors(other, scale, i + kOfGroup, load_words);
      }
    }
    total += other;
    if (last_groups_ == 0) return total + shift;
    auto some = [&](const Scale* from) {
      return is_inner ? only(load(from), last_) : load_some(from, last_groups_);
    };
    Vector scale = some(scales + group);
    add_shift(scale, some(biases + group));
    const uint8_t* end = packed + groups_ * Group * kBits / 8;
    auto some_words = [&](const uint8_t* from) {
      auto left = static_cast<size_t>(end - from);
      return is_inner || left >= kBytes ? load_words(from) : load_some_words(from, left);
    };
    for (size_t i = 0; i * kWidth < last_groups_ * kGroupLanes; i += kOfGroup) {
      add_vectors(total, scale, i, some_words);
    }
    return total + shift;
  }

  // The sums of a vector's lanes, of what numbers are above the centre, in units of the row's
  // scales.
  Vector products(Words bytes, size_t vector) const {
    constexpr uint32_t mask = 0x0f0f0f0f;
    Words low = bytes & mask;
    Words high = (bytes >> kBits) & mask;
    const int8_t* digits = row_.digits + vector * kDigits * kParts * kBytes;
    Words sum = add_products(Words{}, low, high, digits);
    sum = add_products(sum << 8, low, high, digits + kParts * kBytes);
    sum = (sum << 8) - load_words(row_.centres + vector * kWidth);
    sum = add_products(sum, low, high, digits + 2 * kParts * kBytes);
    return __builtin_convertvector(__builtin_bit_cast(Ints, sum), Vector);
  }

  const FixedRow& row_;
  size_t groups_;
  size_t last_groups_;
  Words last_;
};

// A lane of a row in fixed point.
struct Lane {
  int8_t digits[kDigits][kOfLane];  // the highest first
  float scale;
  int32_t total = 0;  // of its numbers
  double sum = 0;     // of its elements
};

// Returns false where there is none.
inline bool fix_lane(const float* x, Lane& lane) {
  // The greatest number of three digits, less one, as scales are rounded.
  constexpr float kGreatest = 127 * 65536 + 127 * 256 + 127 - 1;
  // Scales must be normal numbers, and sums of products finite.
  constexpr float kLeastMaximum = 0x1p-100f;
  constexpr float kMostMaximum = 0x1p100f;
  // Added to a double it leaves the whole part in the lowest bits.
  constexpr double kRounder = 0x1.8p52;
  uint32_t bits = 0;
  for (size_t i = 0; i < kOfLane; ++i) {
    uint32_t magnitude = __builtin_bit_cast(uint32_t, x[i]) & 0x7fffffff;
    bits = magnitude > bits ? magnitude : bits;
  }
  auto maximum = __builtin_bit_cast(float, bits);
  if (!(maximum <= kMostMaximum) || (maximum < kLeastMaximum && bits != 0)) return false;
  lane.scale = maximum / kGreatest;
  double reciprocal = bits == 0 ? 0 : 1 / static_cast<double>(lane.scale);
  for (size_t i = 0; i < kOfLane; ++i) {
    auto number = static_cast<int32_t>(
        __builtin_bit_cast(int64_t, static_cast<double>(x[i]) * reciprocal + kRounder));
    lane.sum += x[i];
    lane.total += number;
    lane.digits[2][i] = static_cast<int8_t>(number);
    number = (number - lane.digits[2][i]) >> 8;
    lane.digits[1][i] = static_cast<int8_t>(number);
    lane.digits[0][i] = static_cast<int8_t>((number - lane.digits[1][i]) >> 8);
  }
  return true;
}

bool fix(const float* row, size_t depth, size_t group, const FixedRow& to) {
  double sum = 0;
  for (size_t i = 0; i * kOfLane < depth; ++i) {
    Lane lane;
    if (!fix_lane(row + i * kOfLane, lane)) return false;
    to.scales[i] = lane.scale;
    to.centres[i] = kCentre * lane.total;
    int8_t* at = to.digits + i / kWidth * kDigits * kParts * kBytes + i % kWidth * 4;
    for (size_t d = 0; d < kDigits; ++d) {
      for (size_t p = 0; p < kParts; ++p, at += kBytes) {
        for (size_t j = 0; j < 4; ++j) at[j] = lane.digits[d][j * kParts + p];
      }
    }
    sum += lane.sum;
    size_t end = (i + 1) * kOfLane;
    if (end % group == 0) {
      to.sums[end / group - 1] = static_cast<float>(sum);
      sum = 0;
    }
  }
  return true;
}

template <size_t Group>
constexpr FixedLoops kLoops{
    fix, {Dots<Group, float>::of, Dots<Group, Float16>::of, Dots<Group, Bfloat16>::of}};

}  // namespace

#define DAVIT_JOINED(a, b) a##b
#define DAVIT_NAMED(a, b) DAVIT_JOINED(a, b)

extern const FixedLoops* DAVIT_NAMED(fixed_, DAVIT_ISA)(const Packing& packing);
const FixedLoops* DAVIT_NAMED(fixed_, DAVIT_ISA)(const Packing& packing) {
  if (packing.kind != Packing::Kind::integer || packing.bits != kBits) return nullptr;
  if (packing.group == 32) return &kLoops<32>;
  if (packing.group == 64) return &kLoops<64>;
  return packing.group == 128 ? &kLoops<128> : nullptr;
}

}  // namespace davit::kernels
