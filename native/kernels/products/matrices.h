// The matrices of a batch, as they lie in memory.
#pragma once

#include <mlx/mlx.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/products/multiply.h"

namespace davit::kernels {

// An array of at least two dimensions as a batch of matrices of its last two. Strides are in
// elements.
class Matrices {
 public:
  explicit Matrices(const mlx::core::array& array);
  // As if it were broadcast to a shape.
  Matrices(const mlx::core::array& array, const mlx::core::Shape& shape);

  size_t count() const { return offsets_.size(); }
  size_t rows() const { return rows_; }
  size_t columns() const { return columns_; }
  int64_t row_stride() const { return row_stride_; }
  int64_t column_stride() const { return column_stride_; }
  const std::byte* at(size_t number) const { return data_ + offsets_[number]; }
  const std::byte* row(size_t number, size_t row) const {
    return at(number) + static_cast<int64_t>(row) * row_stride_ * item_;
  }

  // The same with the elements of each matrix row by row, without gaps; copied where they are not.
  void lie_row_by_row();

 private:
  Matrices(const mlx::core::array& array, const mlx::core::Shape& shape,
           const mlx::core::Strides& strides);

  std::unique_ptr<std::byte[]> copy_;
  const std::byte* data_;
  std::vector<int64_t> offsets_;  // bytes
  size_t rows_;
  size_t columns_;
  int64_t row_stride_;
  int64_t column_stride_;
  int64_t item_;
};

// The elements of an array of uint32, in order.
std::vector<uint32_t> indices_of(const mlx::core::array& array);

// Collects rows that are multiplied with the same matrix.
class Products {
 public:
  // The product with the matrix of a number; `columns` makes its columns when it is new.
  template <typename MakeColumns>
  std::vector<Row>& with(size_t matrix, MakeColumns&& columns) {
    if (place_.size() <= matrix) place_.resize(matrix + 1, kNone);
    if (place_[matrix] == kNone) {
      place_[matrix] = products_.size();
      columns_.push_back(columns());
      products_.push_back({columns_.back().get(), {}});
    }
    return products_[place_[matrix]].rows;
  }
  const std::vector<Product>& all() const { return products_; }

 private:
  static constexpr size_t kNone = static_cast<size_t>(-1);
  std::vector<size_t> place_;
  std::vector<std::unique_ptr<Columns>> columns_;
  std::vector<Product> products_;
};

}  // namespace davit::kernels
