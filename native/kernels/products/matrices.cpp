#include "kernels/products/matrices.h"

#include <cstring>

namespace davit::kernels {

namespace mx = mlx::core;

namespace {

// Where the matrices of an array begin, in elements; or its elements, where none of its dimensions
// belong to a matrix.
std::vector<int64_t> offsets_of(const mx::Shape& shape, const mx::Strides& strides,
                                size_t of_matrix) {
  std::vector<int64_t> offsets{0};
  for (size_t axis = 0; axis + of_matrix < shape.size(); ++axis) {
    std::vector<int64_t> finer;
    finer.reserve(offsets.size() * static_cast<size_t>(shape[axis]));
    for (int64_t offset : offsets) {
      for (int i = 0; i < shape[axis]; ++i) finer.push_back(offset + i * strides[axis]);
    }
    offsets = std::move(finer);
  }
  return offsets;
}

// The strides of an array that is broadcast to a shape.
mx::Strides broadcast_strides(const mx::array& array, const mx::Shape& shape) {
  mx::Strides strides(shape.size(), 0);
  size_t missing = shape.size() - array.ndim();
  for (size_t i = 0; i < array.ndim(); ++i) {
    if (array.shape()[i] != 1) strides[missing + i] = array.strides()[i];
  }
  return strides;
}

}  // namespace

Matrices::Matrices(const mx::array& array) : Matrices(array, array.shape(), array.strides()) {}

Matrices::Matrices(const mx::array& array, const mx::Shape& shape)
    : Matrices(array, shape, broadcast_strides(array, shape)) {}

Matrices::Matrices(const mx::array& array, const mx::Shape& shape, const mx::Strides& strides)
    : data_(array.data<std::byte>()),
      offsets_(offsets_of(shape, strides, 2)),
      rows_(static_cast<size_t>(shape[shape.size() - 2])),
      columns_(static_cast<size_t>(shape.back())),
      row_stride_(strides[shape.size() - 2]),
      column_stride_(strides.back()),
      item_(static_cast<int64_t>(array.itemsize())) {
  for (int64_t& offset : offsets_) offset *= item_;
}

void Matrices::lie_row_by_row() {
  bool rows_follow = rows_ == 1 || row_stride_ == static_cast<int64_t>(columns_);
  if (rows_follow && (columns_ == 1 || column_stride_ == 1)) return;
  auto size = static_cast<int64_t>(rows_ * columns_) * item_;
  copy_ = std::make_unique_for_overwrite<std::byte[]>(offsets_.size() * static_cast<size_t>(size));
  auto* to = copy_.get();
  for (size_t i = 0; i < offsets_.size(); ++i) {
    for (size_t r = 0; r < rows_; ++r) {
      const auto* from = row(i, r);
      for (size_t c = 0; c < columns_; ++c, to += item_) {
        std::memcpy(to, from + static_cast<int64_t>(c) * column_stride_ * item_,
                    static_cast<size_t>(item_));
      }
    }
    // All that lie before have been read.
    offsets_[i] = static_cast<int64_t>(i) * size;
  }
  data_ = copy_.get();
  row_stride_ = static_cast<int64_t>(columns_);
  column_stride_ = 1;
}

std::vector<uint32_t> indices_of(const mx::array& array) {
  std::vector<uint32_t> indices;
  indices.reserve(array.size());
  for (int64_t offset : offsets_of(array.shape(), array.strides(), 0))
    indices.push_back(array.data<uint32_t>()[offset]);
  return indices;
}

}  // namespace davit::kernels
