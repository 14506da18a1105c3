// The second factor of a product, whatever it is in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/products/fixed.h"
#include "kernels/products/loops.h"

namespace davit::kernels {

// Rows of the first factor as float32, padded with zeros, and what else dots() needs of them.
struct FewRows {
  std::unique_ptr<float[]> values;
  size_t stride = 0;
  size_t count = 0;
  std::unique_ptr<float[]> group_sums;  // where the columns have groups, `groups` a row
  size_t groups = 0;
  // In fixed point; null where a row, or the columns, are not for that.
  std::unique_ptr<FixedRows> fixed;
};

class Columns {
 public:
  Columns(size_t depth_, size_t width_) : depth(depth_), width(width_) {}
  virtual ~Columns() = default;

  // Up to how many rows dots() is faster than panels.
  virtual size_t few_rows() const = 0;
  // Adds to rows what else dots() needs of them; it is the same for all columns of a depth and of a
  // preparation.
  virtual void prepare(FewRows& rows) const {}
  virtual uint32_t preparation() const { return 0; }
  // Nanoseconds that reading or unpacking an element takes, roughly.
  virtual double cost() const = 0;

  // Columns `first` to `first + number` of rows `k` to `k + length`, as panels one after the other,
  // each of `length` rows.
  virtual void pack(size_t k, size_t length, size_t first, size_t number, float* panels) const = 0;
  // Products of rows with columns `first` to `first + number`, row by row, `stride` apart.
  virtual void dots(const FewRows& rows, size_t first, size_t number, float* sums,
                    size_t stride) const = 0;
  // Where a whole panel at row k lies as tile() reads it; null where it does not.
  virtual const float* panel_at(size_t k, size_t first) const { return nullptr; }
  virtual size_t panel_stride() const { return kPanel; }

  const size_t depth;
  const size_t width;
};

// Elements in memory, with strides in elements.
class DenseColumns : public Columns {
 public:
  DenseColumns(const void* data, Real real, size_t depth, size_t width, int64_t row_stride,
               int64_t column_stride);

  size_t few_rows() const override;
  double cost() const override;
  void pack(size_t k, size_t length, size_t first, size_t number, float* panels) const override;
  void dots(const FewRows& rows, size_t first, size_t number, float* sums,
            size_t stride) const override;
  const float* panel_at(size_t k, size_t first) const override;
  size_t panel_stride() const override { return static_cast<size_t>(row_stride_); }

 private:
  const std::byte* at(size_t k, size_t column) const;

  const std::byte* data_;
  Real real_;
  int64_t row_stride_;
  int64_t column_stride_;
};

// A packed matrix. There are as many scales and biases a packed row as it has groups; biases may be
// null.
struct PackedMatrix {
  const uint8_t* packed;
  const void* scales;
  const void* biases;
  // What scales and biases are. Of floating-point packings they are bytes, by `scale_of_byte`.
  Real real;
  const float* scale_of_byte;
};

// Numbers in few bits. Packed rows are the columns of the product (`transposed`) or its rows.
class PackedColumns : public Columns {
 public:
  // There must be loops for the packing.
  PackedColumns(const PackedMatrix& matrix, const Packing& packing, bool transposed, size_t depth,
                size_t width);

  size_t few_rows() const override;
  void prepare(FewRows& rows) const override;
  uint32_t preparation() const override;
  double cost() const override;
  void pack(size_t k, size_t length, size_t first, size_t number, float* panels) const override;
  void dots(const FewRows& rows, size_t first, size_t number, float* sums,
            size_t stride) const override;

 private:
  // Scales and biases of groups of a packed row, in `to`, which has room for both.
  struct Scales {
    const float* scales;
    const float* biases;
  };
  Scales scales(size_t row, size_t first_group, size_t groups, float* to) const;
  void unpack(size_t row, size_t first, size_t count, float* to) const;
  void pack_transposed(size_t k, size_t length, size_t first, size_t number, float* panels) const;
  void dots_of_fixed(const FewRows& rows, size_t first, size_t number, float* sums,
                     size_t stride) const;
  void dots_unpacked(const FewRows& rows, size_t first, size_t number, float* sums,
                     size_t stride) const;

  PackedMatrix matrix_;
  Packing packing_;
  bool transposed_;
  size_t row_length_;
  Unpack unpack_;
  PackedDots dots_;
  const FixedLoops* fixed_;
};

// What the bytes are that scale numbers of floating-point packings.
const float* power_of_two_scales();
const float* float8_scales();

}  // namespace davit::kernels
