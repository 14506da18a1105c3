#include "kernels/layout.h"

#include <algorithm>
#include <cstring>

namespace davit::kernels {

Layout collapsed(const Layout& layout) {
  Layout result;
  for (size_t i = 0; i < layout.shape.size(); ++i) {
    if (layout.shape[i] == 1) continue;
    bool joins =
        !result.shape.empty() && result.strides.back() == layout.strides[i] * layout.shape[i];
    if (joins) {
      result.shape.back() *= layout.shape[i];
      result.strides.back() = layout.strides[i];
    } else {
      result.shape.push_back(layout.shape[i]);
      result.strides.push_back(layout.strides[i]);
    }
  }
  return result;
}

bool is_dense(const Layout& layout) {
  return layout.shape.empty() || (layout.shape.size() == 1 && layout.strides[0] == 1);
}

bool is_single(const Layout& layout) {
  return std::ranges::all_of(layout.strides, [](int64_t stride) { return stride == 0; });
}

namespace {

template <typename T>
void copy_strided(const T* from, int64_t stride, size_t count, T* to) {
  if (stride == 1) {
    std::memcpy(to, from, count * sizeof(T));
  } else if (stride == 0) {
    std::fill_n(to, count, *from);
  } else {
    for (size_t i = 0; i < count; ++i) to[i] = from[static_cast<int64_t>(i) * stride];
  }
}

template <typename T>
void gather_items(const Layout& layout, const T* data, size_t first, size_t count, T* out) {
  size_t rank = layout.shape.size();
  if (rank == 0) return copy_strided(data, 0, count, out);
  constexpr size_t kMostDimensions = 64;
  int64_t index[kMostDimensions];
  int64_t offset = 0;
  size_t rest = first;
  for (size_t i = rank; i-- > 0;) {
    auto size = static_cast<size_t>(layout.shape[i]);
    index[i] = static_cast<int64_t>(rest % size);
    rest /= size;
    offset += index[i] * layout.strides[i];
  }
  size_t last = rank - 1;
  while (count > 0) {
    size_t run = std::min(count, static_cast<size_t>(layout.shape[last] - index[last]));
    copy_strided(data + offset, layout.strides[last], run, out);
    out += run;
    count -= run;
    if (count == 0) return;
    offset -= index[last] * layout.strides[last];
    index[last] = 0;
    for (size_t i = last; i-- > 0;) {
      offset += layout.strides[i];
      if (++index[i] < layout.shape[i]) break;
      offset -= index[i] * layout.strides[i];
      index[i] = 0;
    }
  }
}

}  // namespace

void gather(const Layout& layout, const void* data, size_t item, size_t first, size_t count,
            void* out) {
  auto as = [&]<typename T>(T) {
    gather_items(layout, static_cast<const T*>(data), first, count, static_cast<T*>(out));
  };
  if (item == 1) return as(uint8_t{});
  if (item == 2) return as(uint16_t{});
  if (item == 4) return as(uint32_t{});
  as(uint64_t{});
}

}  // namespace davit::kernels
