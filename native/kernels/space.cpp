#include "kernels/space.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>

#include "kernels/index.h"

namespace davit::kernels {

namespace {

size_t product(const std::vector<int64_t>& sizes) {
  return static_cast<size_t>(
      std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>()));
}

struct Axis {
  int64_t size;
  bool reduced;
  std::vector<int64_t> strides;  // by port
};

// Without dimensions of one element, and with neighbours joined where one stride steps through
// both.
std::vector<Axis> joined(const Space& space, const std::vector<Strides>& ports) {
  std::vector<Axis> axes;
  for (size_t i = 0; i < space.shape.size(); ++i) {
    if (space.shape[i] == 1) continue;
    Axis axis{space.shape[i], space.reduced[i], {}};
    for (const auto& strides : ports) axis.strides.push_back(strides[i]);
    bool joins = !axes.empty() && axes.back().reduced == axis.reduced;
    for (size_t port = 0; joins && port < ports.size(); ++port) {
      joins = axes.back().strides[port] == axis.strides[port] * axis.size;
    }
    if (joins) {
      axes.back().size *= axis.size;
      axes.back().strides = std::move(axis.strides);
    } else {
      axes.push_back(std::move(axis));
    }
  }
  return axes;
}

// The dimension other than the last that an input is dense along, which is not along the last one.
std::optional<size_t> transposed(const std::vector<Axis>& axes) {
  constexpr int64_t kLeast = 4;
  if (axes.size() < 2 || axes.back().size < kLeast) return std::nullopt;
  for (size_t i = 0; i + 1 < axes.size(); ++i) {
    for (size_t port = 0; port < axes[i].strides.size(); ++port) {
      bool along = axes[i].size >= kLeast && axes[i].strides[port] == 1;
      if (along && axes.back().strides[port] > 1) return i;
    }
  }
  return std::nullopt;
}

// Elements that move between memory, where they are `stride` apart, and a register.
template <bool Out, typename T>
void move_run(T* data, int64_t stride, size_t count, T* packed) {
  constexpr size_t kShort = 16;
  if (stride == 1 && count > kShort) {
    if constexpr (Out) {
      std::memcpy(data, packed, count * sizeof(T));
    } else {
      std::memcpy(packed, data, count * sizeof(T));
    }
  } else if (stride == 0 && !Out) {
    std::fill_n(packed, count, *data);
  } else {
    for (size_t i = 0; i < count; ++i) {
      T& there = data[static_cast<int64_t>(i) * stride];
      if constexpr (Out) {
        there = packed[i];
      } else {
        packed[i] = there;
      }
    }
  }
}

// A tile that is dense along the middle dimension, in squares that stay in the L1 cache.
template <bool Out, typename T>
void move_transposed(T* data, int64_t stride, size_t middles, size_t inners, T* packed) {
  constexpr size_t kSquare = 16;
  for (size_t m0 = 0; m0 < middles; m0 += kSquare) {
    size_t m1 = std::min(middles, m0 + kSquare);
    for (size_t j0 = 0; j0 < inners; j0 += kSquare) {
      size_t j1 = std::min(inners, j0 + kSquare);
      for (size_t m = m0; m < m1; ++m) {
        for (size_t j = j0; j < j1; ++j) {
          T& there = data[static_cast<int64_t>(j) * stride + static_cast<int64_t>(m)];
          if constexpr (Out) {
            there = packed[m * inners + j];
          } else {
            packed[m * inners + j] = there;
          }
        }
      }
    }
  }
}

template <bool Out, typename T>
void move_tile(const Dimensions& dimensions, const Walk& walk, const Tile& tile, T* data,
               T* packed) {
  data += static_cast<int64_t>(tile.first_inner) * walk.inner;
  bool across = walk.middle.size() == 1 && walk.middle[0] == 1 && walk.inner > 1;
  Index outer(dimensions.outer, walk.outer, tile.first_outer);
  for (size_t o = 0; o < tile.outers; ++o, outer.next()) {
    T* at = data + outer.offset();
    if (across) {
      move_transposed<Out>(at + tile.first_middle, walk.inner, tile.middles, tile.inners, packed);
      packed += tile.middles * tile.inners;
      continue;
    }
    if (dimensions.inner == 1 && !walk.middle.empty()) {
      // The run is along the last of the middle dimensions.
      auto size = static_cast<size_t>(dimensions.middle.back());
      size_t end = tile.first_middle + tile.middles;
      for (size_t m = tile.first_middle; m < end;) {
        size_t run = std::min(end - m, size - m % size);
        Index middle(dimensions.middle, walk.middle, m);
        move_run<Out>(at + middle.offset(), walk.middle.back(), run, packed);
        packed += run;
        m += run;
      }
      continue;
    }
    Index middle(dimensions.middle, walk.middle, tile.first_middle);
    for (size_t m = 0; m < tile.middles; ++m, middle.next(), packed += tile.inners) {
      move_run<Out>(at + middle.offset(), walk.inner, tile.inners, packed);
    }
  }
}

template <bool Out>
void move_items(const Dimensions& dimensions, const Walk& walk, const Tile& tile, void* data,
                size_t item, void* packed) {
  auto as = [&]<typename T>(T) {
    move_tile<Out>(dimensions, walk, tile, static_cast<T*>(data), static_cast<T*>(packed));
  };
  if (item == 1) return as(uint8_t{});
  if (item == 2) return as(uint16_t{});
  if (item == 4) return as(uint32_t{});
  as(uint64_t{});
}

}  // namespace

size_t Dimensions::outers() const { return product(outer); }
size_t Dimensions::middles() const { return product(middle); }

Order order_of(const Space& space, const std::vector<Strides>& ports) {
  auto axes = joined(space, ports);
  Order order;
  order.walks.resize(ports.size());
  auto across = std::ranges::any_of(axes, &Axis::reduced) ? std::nullopt : transposed(axes);
  if (!axes.empty() && !axes.back().reduced) {
    order.dimensions.inner = axes.back().size;
    for (size_t port = 0; port < ports.size(); ++port) {
      order.walks[port].inner = axes.back().strides[port];
    }
    axes.pop_back();
  }
  for (size_t i = 0; i < axes.size(); ++i) {
    bool middle = axes[i].reduced || across == i;
    (middle ? order.dimensions.middle : order.dimensions.outer).push_back(axes[i].size);
    for (size_t port = 0; port < ports.size(); ++port) {
      auto& walk = order.walks[port];
      (middle ? walk.middle : walk.outer).push_back(axes[i].strides[port]);
    }
  }
  return order;
}

bool is_dense(const Dimensions& dimensions, const Walk& walk, bool narrow) {
  int64_t expected = 1;
  auto steps = [&](int64_t size, int64_t stride) {
    bool as_expected = size == 1 || stride == expected;
    expected *= size;
    return as_expected;
  };
  if (!steps(dimensions.inner, walk.inner)) return false;
  for (size_t i = dimensions.middle.size(); !narrow && i-- > 0;) {
    if (!steps(dimensions.middle[i], walk.middle[i])) return false;
  }
  for (size_t i = dimensions.outer.size(); i-- > 0;) {
    if (!steps(dimensions.outer[i], walk.outer[i])) return false;
  }
  return true;
}

bool is_single(const Walk& walk) {
  auto zero = [](int64_t stride) { return stride == 0; };
  return walk.inner == 0 && std::ranges::all_of(walk.outer, zero) &&
         std::ranges::all_of(walk.middle, zero);
}

void gather(const Dimensions& dimensions, const Walk& walk, const Tile& tile, const void* data,
            size_t item, void* out) {
  move_items<false>(dimensions, walk, tile, const_cast<void*>(data), item, out);
}

void scatter(const Dimensions& dimensions, const Walk& walk, const Tile& tile, const void* in,
             size_t item, void* data) {
  move_items<true>(dimensions, walk, tile, data, item, const_cast<void*>(in));
}

}  // namespace davit::kernels
