#include "kernels/products/columns.h"

#include <algorithm>
#include <limits>

#include "kernels/instructions.h"
#include "kernels/scratch.h"
#include "kernels/thresholds.h"

namespace davit::kernels {

namespace {

const ProductLoops& loops() { return *instructions()->products; }

size_t place(Real real) { return static_cast<size_t>(real); }
size_t parts_of(size_t value, size_t part) { return (value + part - 1) / part; }

// Rows up to which packed columns are multiplied as they are, without unpacking them first.
constexpr size_t kPackedDots = 2;

}  // namespace

DenseColumns::DenseColumns(const void* data, Real real, size_t depth_, size_t width_,
                           int64_t row_stride, int64_t column_stride)
    : Columns(depth_, width_),
      data_(static_cast<const std::byte*>(data)),
      real_(real),
      // Strides of dimensions with one element say nothing.
      row_stride_(depth_ == 1 ? static_cast<int64_t>(width_) : row_stride),
      column_stride_(width_ == 1 ? static_cast<int64_t>(depth_) : column_stride) {
  if (width_ == 1 && row_stride_ != 1) column_stride_ = 1;
  if (depth_ == 1 && column_stride_ != 1) row_stride_ = 1;
}

const std::byte* DenseColumns::at(size_t k, size_t column) const {
  int64_t offset =
      static_cast<int64_t>(k) * row_stride_ + static_cast<int64_t>(column) * column_stride_;
  return data_ + offset * static_cast<int64_t>(bytes_of(real_));
}

size_t DenseColumns::few_rows() const { return row_stride_ == 1 ? kFewRows : 0; }

double DenseColumns::cost() const { return 0.05 * static_cast<double>(bytes_of(real_)); }

void DenseColumns::pack(size_t k, size_t length, size_t first, size_t number, float* panels) const {
  for (size_t column = 0; column < number; column += kPanel, panels += length * kPanel) {
    size_t columns = std::min(kPanel, number - column);
    const auto* from = at(k, first + column);
    if (column_stride_ == 1) {
      loops().pack_rows[place(real_)](from, static_cast<size_t>(row_stride_), length, columns,
                                      panels);
    } else if (row_stride_ == 1) {
      loops().pack_columns[place(real_)](from, static_cast<size_t>(column_stride_), length, columns,
                                         panels);
    } else {
      for (size_t row = 0; row < length; ++row) {
        for (size_t c = 0; c < kPanel; ++c) {
          float& to = panels[row * kPanel + c];
          to = 0;
          if (c < columns) loops().widen[place(real_)](at(k + row, first + column + c), 1, &to);
        }
      }
    }
  }
}

void DenseColumns::dots(const FewRows& rows, size_t first, size_t number, float* sums,
                        size_t stride) const {
  loops().dots[place(real_)](rows.values.get(), rows.stride, rows.count, at(0, first),
                             static_cast<size_t>(column_stride_), number, depth, sums, stride,
                             false);
}

const float* DenseColumns::panel_at(size_t k, size_t first) const {
  bool lies_so = real_ == Real::f32 && column_stride_ == 1 && row_stride_ >= 0;
  return lies_so ? reinterpret_cast<const float*>(at(k, first)) : nullptr;
}

PackedColumns::PackedColumns(const PackedMatrix& matrix, const Packing& packing, bool transposed,
                             size_t depth_, size_t width_)
    : Columns(depth_, width_),
      matrix_(matrix),
      packing_(packing),
      transposed_(transposed),
      row_length_(transposed ? depth_ : width_),
      unpack_(loops().unpack(packing)),
      dots_(loops().packed_dots(packing)),
      fixed_(transposed ? fixed_loops(packing) : nullptr) {}

size_t PackedColumns::few_rows() const { return transposed_ ? kFewRowsPacked : 0; }

void PackedColumns::prepare(FewRows& rows) const {
  if (fixed_ != nullptr && rows.count <= kPackedDots) {
    rows.fixed =
        FixedRows::of(rows.values.get(), rows.stride, rows.count, depth, packing_, *fixed_);
    if (rows.fixed) return;
  }
  if (rows.count > kPackedDots) return;
  size_t groups = depth / packing_.group;
  rows.groups = parts_of(groups, kSumsTogether) * kSumsTogether;
  rows.group_sums = std::make_unique<float[]>(rows.count * rows.groups);
  for (size_t r = 0; r < rows.count; ++r) {
    instructions()->reduce[static_cast<int>(Reduction::sum)][index(Type::f32)](
        rows.values.get() + r * rows.stride, rows.group_sums.get() + r * rows.groups, groups,
        packing_.group, 1);
  }
}

uint32_t PackedColumns::preparation() const {
  return (uint32_t{packing_.group} << 16) | (uint32_t{packing_.bits} << 8) |
         (static_cast<uint32_t>(packing_.kind) + 1);
}

double PackedColumns::cost() const { return 0.2; }

PackedColumns::Scales PackedColumns::scales(size_t row, size_t first_group, size_t groups,
                                            float* to) const {
  size_t begin = row * (row_length_ / packing_.group) + first_group;
  if (matrix_.scale_of_byte != nullptr) {
    auto bytes = static_cast<const uint8_t*>(matrix_.scales) + begin;
    for (size_t i = 0; i < groups; ++i) to[i] = matrix_.scale_of_byte[bytes[i]];
    return {to, nullptr};
  }
  if (matrix_.real == Real::f32) {
    return {static_cast<const float*>(matrix_.scales) + begin,
            static_cast<const float*>(matrix_.biases) + begin};
  }
  auto widen = loops().widen[place(matrix_.real)];
  widen(static_cast<const uint16_t*>(matrix_.scales) + begin, groups, to);
  widen(static_cast<const uint16_t*>(matrix_.biases) + begin, groups, to + groups);
  return {to, to + groups};
}

// `count` numbers of a packed row from `first` on; both are multiples of the group.
void PackedColumns::unpack(size_t row, size_t first, size_t count, float* to) const {
  float widened[2 * kDepth];
  auto of_row = scales(row, first / packing_.group, count / packing_.group, widened);
  const uint8_t* packed = matrix_.packed + row * packing_.row_bytes(row_length_);
  unpack_(packed + packing_.row_bytes(first), of_row.scales, of_row.biases, count, to);
}

void PackedColumns::pack(size_t k, size_t length, size_t first, size_t number,
                         float* panels) const {
  if (transposed_) return pack_transposed(k, length, first, number, panels);
  // Groups at either end may be in parts.
  size_t group = packing_.group;
  size_t begin = first / group * group;
  size_t count = (first + number - begin + group - 1) / group * group;
  auto numbers = std::make_unique_for_overwrite<float[]>(count);
  for (size_t row = 0; row < length; ++row) {
    for (size_t i = 0; i < count; i += kDepth) {
      unpack(k + row, begin + i, std::min(kDepth, count - i), numbers.get() + i);
    }
    for (size_t column = 0; column < number; column += kPanel) {
      loops().pack_rows[place(Real::f32)](numbers.get() + (first - begin) + column, 0, 1,
                                          std::min(kPanel, number - column),
                                          panels + column * length + row * kPanel);
    }
  }
}

// k is a multiple of kDepth, so groups are whole. What is unpacked at a time stays in the L1 cache.
void PackedColumns::pack_transposed(size_t k, size_t length, size_t first, size_t number,
                                    float* panels) const {
  constexpr size_t kStep = 128;
  constexpr size_t kStride = kStep + 16;
  float numbers[kPanel * kStride];
  for (size_t column = 0; column < number; column += kPanel, panels += length * kPanel) {
    size_t columns = std::min(kPanel, number - column);
    for (size_t i = 0; i < length; i += kStep) {
      size_t count = std::min(kStep, length - i);
      for (size_t c = 0; c < columns; ++c) {
        unpack(first + column + c, k + i, count, numbers + c * kStride);
      }
      loops().pack_columns[place(Real::f32)](numbers, kStride, count, columns, panels + i * kPanel);
    }
  }
}

void PackedColumns::dots_of_fixed(const FewRows& rows, size_t first, size_t number, float* sums,
                                  size_t stride) const {
  auto place_of_real = place(matrix_.real);
  size_t row_bytes = packing_.row_bytes(depth);
  size_t scale_bytes = depth / packing_.group * bytes_of(matrix_.real);
  // What lies behind the last columns may be nobody's.
  size_t last = kReadBehind / std::min(row_bytes, scale_bytes) + 1;
  size_t inner = width > first + last ? width - first - last : 0;
  auto at = [&](const void* scales) {
    return static_cast<const std::byte*>(scales) + first * scale_bytes;
  };
  for (size_t r = 0; r < rows.count; ++r) {
    fixed_->dots[place_of_real](rows.fixed->row(r), matrix_.packed + first * row_bytes,
                                at(matrix_.scales), at(matrix_.biases), depth, number, inner,
                                sums + r * stride);
  }
}

void PackedColumns::dots(const FewRows& rows, size_t first, size_t number, float* sums,
                         size_t stride) const {
  if (rows.fixed) return dots_of_fixed(rows, first, number, sums, stride);
  if (rows.count > kPackedDots) return dots_unpacked(rows, first, number, sums, stride);
  size_t groups = depth / packing_.group;
  size_t most = kSumsTogether * groups;
  auto* widened = reinterpret_cast<float*>(scratch((2 * most + kSumsTogether) * sizeof(float)));
  for (size_t i = 0; i < number; i += kSumsTogether) {
    size_t count = std::min(kSumsTogether, number - i);
    auto [of_columns, biases] = scales(first + i, 0, count * groups, widened);
    // What lies behind the last columns may be nobody's.
    if (biases != nullptr && matrix_.real == Real::f32 && first + i + 2 * kSumsTogether > width) {
      std::copy_n(biases, count * groups, widened);
      biases = widened;
    }
    dots_(rows.values.get(), rows.stride, rows.count, rows.group_sums.get(), rows.groups,
          matrix_.packed + (first + i) * packing_.row_bytes(depth), of_columns, biases, depth,
          count, sums + i, stride);
  }
}

void PackedColumns::dots_unpacked(const FewRows& rows, size_t first, size_t number, float* sums,
                                  size_t stride) const {
  constexpr size_t kTogether = 4;
  constexpr size_t kStep = 512;
  constexpr size_t kStride = kStep + 16;
  float numbers[kTogether * kStride];
  for (size_t i = 0; i < number; i += kTogether) {
    size_t columns = std::min(kTogether, number - i);
    for (size_t k = 0; k < depth; k += kStep) {
      size_t count = std::min(kStep, depth - k);
      for (size_t c = 0; c < columns; ++c) {
        for (size_t j = 0; j < count; j += kDepth) {
          unpack(first + i + c, k + j, std::min(kDepth, count - j), numbers + c * kStride + j);
        }
      }
      loops().dots[place(Real::f32)](rows.values.get() + k, rows.stride, rows.count, numbers,
                                     kStride, columns, count, sums + i, stride, k > 0);
    }
  }
}

const float* power_of_two_scales() {
  static const auto* const scales = [] {
    auto* table = new float[256];
    for (uint32_t i = 0; i < 256; ++i) {
      // MLX reads the byte as the exponent of a bfloat16, and 0 as 2^-127.
      table[i] = __builtin_bit_cast(float, i == 0 ? 0x00400000u : i << 23);
    }
    return table;
  }();
  return scales;
}

const float* float8_scales() {
  static const auto* const scales = [] {
    auto* table = new float[256];
    for (uint32_t i = 0; i < 256; ++i) {
      float magnitude = (i & 127) == 127 ? std::numeric_limits<float>::quiet_NaN()
                                         : __builtin_bit_cast(float, (i & 127) << 20) * 0x1p120f;
      table[i] = (i & 128) != 0 ? -magnitude : magnitude;
    }
    return table;
  }();
  return scales;
}

}  // namespace davit::kernels
