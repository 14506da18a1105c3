// The loops of products of matrices, compiled once for each instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

namespace davit::kernels {

// What the elements of a matrix are in memory. Products are computed in float32.
enum class Real : uint8_t { f32, f16, bf16 };
constexpr size_t kReals = 3;

constexpr size_t bytes_of(Real real) { return real == Real::f32 ? 4 : 2; }

// Rows of the inner dimension that are multiplied at once.
constexpr size_t kDepth = 256;
// The distance between rows of what was unpacked for a tile, so that they do not all lie in the
// same places of the cache.
constexpr size_t kRowStride = kDepth + 16;
// Columns of a panel: a multiple of every instruction set's.
constexpr size_t kPanel = 32;

// Elements of float32, float16 or bfloat16 become float32.
using Widen = void (*)(const void* from, size_t count, float* to);
using Narrow = void (*)(const float* from, size_t count, void* to);

// A part of a matrix as a panel, `depth` rows of kPanel columns; zeros behind the last of
// `columns`. `stride` is the distance, in elements, between rows (rows lie one after the other) or
// between columns (columns do).
using Pack = void (*)(const void* from, size_t stride, size_t depth, size_t columns, float* panel);

// sums[r][c] = sum over k of rows[r][k] * columns[c][k], or that added to what they are; the rows
// are float32, `row_stride` apart, and padded with zeros to a multiple of kPadding. Columns are
// `column_stride` elements apart.
using Dots = void (*)(const float* rows, size_t row_stride, size_t row_count, const void* columns,
                      size_t column_stride, size_t column_count, size_t depth, float* sums,
                      size_t sums_stride, bool add);
constexpr size_t kPadding = 128;

// How numbers are packed in few bits: q * scale + bias for each group of them.
struct Packing {
  enum class Kind : uint8_t { integer, float4, float8 };
  Kind kind;
  uint8_t bits;
  uint16_t group;
  size_t row_bytes(size_t count) const { return count * bits / 8; }
};
// One packed row, its scales and biases as float32 (null where there are none), as `count` float32.
using Unpack = void (*)(const uint8_t* packed, const float* scales, const float* biases,
                        size_t count, float* to);
// As Dots, of one or two rows with packed columns one after the other. `group_sums` are, for each
// row, those of its groups, `group_stride` apart, with zeros behind them up to a multiple of
// kSumsTogether; behind the biases there is memory for as many. Writes a multiple of kSumsTogether
// sums of each row.
using PackedDots = void (*)(const float* rows, size_t row_stride, size_t row_count,
                            const float* group_sums, size_t group_stride, const uint8_t* packed,
                            const float* scales, const float* biases, size_t depth, size_t count,
                            float* sums, size_t sums_stride);
constexpr size_t kSumsTogether = 16;

// A step of a softmax over rows of which a part is known: `scores`, kRowStride apart, become the
// exponentials of what they are above `highest`, which grows with them; `total`, the sum of a
// row's, and `sums`, what was added up with them as factors, follow.
using Soften = void (*)(float* scores, size_t rows, size_t columns, float* highest, float* total,
                        float* sums, size_t sums_stride, size_t sums_columns);

struct ProductLoops {
  Widen widen[kReals];
  Narrow narrow[kReals];
  Pack pack_rows[kReals];     // the elements of a row lie one after the other
  Pack pack_columns[kReals];  // those of a column do
  Dots dots[kReals];
  // Adds to `sums`, or fills it, `row_count` rows kRowStride apart times a panel whose rows are
  // `panel_stride` apart.
  void (*tile)(const float* rows, size_t row_count, const float* panel, size_t panel_stride,
               size_t depth, float* sums, size_t sums_stride, bool add);
  size_t tile_rows;  // that `tile` does best at a time
  Soften soften;
  // By packing; null where it is not known.
  Unpack (*unpack)(const Packing&);
  PackedDots (*packed_dots)(const Packing&);
};

}  // namespace davit::kernels
