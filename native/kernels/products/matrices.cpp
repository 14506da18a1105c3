#include "kernels/products/matrices.h"

#include <cstring>

namespace davit::kernels {

namespace mx = mlx::core;

namespace {

// Where the matrices of an array begin, in elements; or its elements, where none of its dimensions
// belong to a matrix.
std::vector<int64_t> offsets_of(const mx::array& array, size_t of_matrix) {
  std::vector<int64_t> offsets{0};
  for (size_t axis = 0; axis + of_matrix < array.ndim(); ++axis) {
    auto dimension = static_cast<int>(axis);
    std::vector<int64_t> finer;
    finer.reserve(offsets.size() * static_cast<size_t>(array.shape(dimension)));
    for (int64_t offset : offsets) {
      for (int i = 0; i < array.shape(dimension); ++i) {
        finer.push_back(offset + i * array.strides(dimension));
      }
    }
    offsets = std::move(finer);
  }
  return offsets;
}

}  // namespace

Matrices::Matrices(const mx::array& array)
    : array_(&array),
      data_(array.data<std::byte>()),
      rows_(static_cast<size_t>(array.shape(-2))),
      columns_(static_cast<size_t>(array.shape(-1))),
      row_stride_(array.strides(-2)),
      column_stride_(array.strides(-1)),
      item_(static_cast<int64_t>(array.itemsize())) {
  offsets_ = offsets_of(array, 2);
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
  for (int64_t offset : offsets_of(array, 0)) indices.push_back(array.data<uint32_t>()[offset]);
  return indices;
}

}  // namespace davit::kernels
