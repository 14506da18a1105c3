// The elements of an array, whichever way they lie in memory.
#pragma once

#include <mlx/mlx.h>

#include <cstdint>
#include <vector>

namespace davit {

// Calls `visit` with the place of each element, from an array's data on, in row-major order.
template <typename Visit>
void each_offset(const mlx::core::array& array, Visit visit) {
  const auto& shape = array.shape();
  const auto& strides = array.strides();
  std::vector<int> index(shape.size(), 0);
  int64_t offset = 0;
  for (size_t i = 0; i < array.size(); ++i) {
    visit(offset);
    for (size_t axis = shape.size(); axis-- > 0;) {
      auto at = static_cast<int>(axis);
      offset += strides[at];
      if (++index[axis] < shape[at]) break;
      offset -= strides[at] * shape[at];
      index[axis] = 0;
    }
  }
}

}  // namespace davit
