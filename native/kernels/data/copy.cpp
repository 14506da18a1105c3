#include "kernels/data/copy.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels/execution.h"
#include "kernels/index.h"
#include "kernels/share.h"

namespace davit::kernels {

namespace mx = mlx::core;

namespace {

// Nanoseconds an element, roughly: the memory, or a transposition.
constexpr double kMoved = 0.3;
constexpr double kTransposed = 0.6;
// Rows of a transposition, and elements of a run, that a thread takes at a time.
constexpr size_t kRows = 64;
constexpr size_t kRun = 1 << 15;
constexpr size_t kSquare = 16;

// One side of a copy, along the last dimensions.
template <typename T>
struct Side {
  T* data;
  int64_t down;    // from one row to the next
  int64_t across;  // from one element of a row to the next
};

template <typename T>
void copy_run(Side<const T> from, Side<T> to, size_t count) {
  constexpr size_t kShort = 16;
  if (from.across == 1 && to.across == 1 && count > kShort) {
    std::memcpy(to.data, from.data, count * sizeof(T));
    return;
  }
  for (size_t i = 0; i < count; ++i) {
    auto at = static_cast<int64_t>(i);
    to.data[at * to.across] = from.data[at * from.across];
  }
}

template <typename T>
void copy_squares(Side<const T> from, Side<T> to, size_t rows, size_t columns) {
  for (size_t r0 = 0; r0 < rows; r0 += kSquare) {
    size_t r1 = std::min(rows, r0 + kSquare);
    for (size_t c0 = 0; c0 < columns; c0 += kSquare) {
      size_t c1 = std::min(columns, c0 + kSquare);
      for (size_t r = r0; r < r1; ++r) {
        auto row = static_cast<int64_t>(r);
        for (size_t c = c0; c < c1; ++c) {
          auto column = static_cast<int64_t>(c);
          to.data[row * to.down + column * to.across] =
              from.data[row * from.down + column * from.across];
        }
      }
    }
  }
}

template <typename T>
void copy_typed(const Order& order, const T* from, T* to) {
  const auto& dimensions = order.dimensions;
  const auto& source = order.walks[0];
  const auto& target = order.walks[1];
  auto inner = static_cast<size_t>(dimensions.inner);
  bool transposed = !dimensions.middle.empty();
  size_t rows = dimensions.middles();
  size_t step = transposed ? kRows : kRun;
  size_t pieces = quotient_up(transposed ? rows : inner, step);
  double work = transposed ? kTransposed : kMoved;
  work *= static_cast<double>(dimensions.outers() * rows) * static_cast<double>(inner);
  share_work(work, dimensions.outers() * pieces, [&](size_t begin, size_t end) {
    Index here(dimensions.outer, source.outer, begin / pieces);
    Index there(dimensions.outer, target.outer, begin / pieces);
    for (size_t piece = begin; piece < end; ++piece) {
      size_t first = piece % pieces * step;
      auto at = static_cast<int64_t>(first);
      if (transposed) {
        Side<const T> a{from + here.offset() + at * source.middle[0], source.middle[0],
                        source.inner};
        Side<T> b{to + there.offset() + at * target.middle[0], target.middle[0], target.inner};
        copy_squares(a, b, std::min(step, rows - first), inner);
      } else {
        Side<const T> a{from + here.offset() + at * source.inner, 0, source.inner};
        Side<T> b{to + there.offset() + at * target.inner, 0, target.inner};
        copy_run(a, b, std::min(step, inner - first));
      }
      if (piece % pieces + 1 == pieces) {
        here.next();
        there.next();
      }
    }
  });
}

template <typename F>
void by_size(size_t item, F&& f) {
  if (item == 1) return f(uint8_t{});
  if (item == 2) return f(uint16_t{});
  if (item == 4) return f(uint32_t{});
  f(uint64_t{});
}

}  // namespace

Strides row_strides(const mx::Shape& shape) {
  Strides strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) {
    strides[i - 1] = strides[i] * shape[static_cast<int>(i)];
  }
  return strides;
}

void copy_elements(const mx::Shape& shape, const void* from, const Strides& from_strides, void* to,
                   const Strides& to_strides, size_t item) {
  if (std::ranges::find(shape, 0) != shape.end()) return;
  Space space{{shape.begin(), shape.end()}, std::vector<bool>(shape.size(), false)};
  auto order = order_of(space, {from_strides, to_strides});
  by_size(item, [&]<typename T>(T) {
    copy_typed(order, static_cast<const T*>(from), static_cast<T*>(to));
  });
}

void fill_elements(void* to, size_t count, const void* value, size_t item) {
  by_size(item, [&]<typename T>(T) {
    T element;
    std::memcpy(&element, value, sizeof(T));
    share_work(kMoved * static_cast<double>(count), quotient_up(count, kRun),
               [&](size_t begin, size_t end) {
                 size_t last = std::min(end * kRun, count);
                 std::fill(static_cast<T*>(to) + begin * kRun, static_cast<T*>(to) + last, element);
               });
  });
}

}  // namespace davit::kernels
