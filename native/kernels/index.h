// Goes through the elements of a tensor in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace davit::kernels {

// An index that goes through some dimensions, with its place in memory.
class Index {
 public:
  Index(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides, size_t first)
      : shape_(shape), strides_(strides) {
    for (size_t i = shape.size(); i-- > 0;) {
      auto size = static_cast<size_t>(shape[i]);
      at_[i] = static_cast<int64_t>(first % size);
      first /= size;
      offset_ += at_[i] * strides[i];
    }
  }
  int64_t offset() const { return offset_; }
  void next() {
    for (size_t i = shape_.size(); i-- > 0;) {
      offset_ += strides_[i];
      if (++at_[i] < shape_[i]) return;
      offset_ -= at_[i] * strides_[i];
      at_[i] = 0;
    }
  }

 private:
  static constexpr size_t kMostDimensions = 64;
  const std::vector<int64_t>& shape_;
  const std::vector<int64_t>& strides_;
  int64_t at_[kMostDimensions];
  int64_t offset_ = 0;
};

}  // namespace davit::kernels
