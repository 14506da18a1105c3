// Loops that make one number of many, or many of one. Compiled once for each instruction set, as
// instructions.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace davit::kernels {
namespace {

// Partial results of a reduction, in as many lanes for every instruction set.
constexpr size_t kLanes = 64;
// So many elements are reduced before their result joins the others, which keeps sums exact; and so
// many of a column, where others lie beside it.
constexpr size_t kChunk = 4096;
constexpr size_t kChunkRows = 64;
constexpr size_t kRowsAtOnce = 4;
// Columns that are done side by side.
constexpr size_t kStrip = 512;

// Of elements that lie one after the other to the first `kept` lanes, a number of which all lanes
// are a multiple: those that are so many apart.
template <typename T, auto F>
void reduce_lanes(const T* x, size_t count, T start, size_t kept, T* lanes) {
  for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] = start;
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] = F(lanes[lane], x[i + lane]);
  }
  for (size_t lane = 0; i + lane < count; ++lane) lanes[lane] = F(lanes[lane], x[i + lane]);
  for (size_t half = kLanes / 2; half >= kept; half /= 2) {
    for (size_t lane = 0; lane < half; ++lane) lanes[lane] = F(lanes[lane], lanes[lane + half]);
  }
}

// Columns that lie side by side, `inner` of them, of which this does the first `width`, at most
// kStrip. Row by row: the memory is read as it lies.
template <typename T, auto F>
void reduce_columns(const T* x, size_t columns, size_t inner, size_t width, T start, T* to) {
  for (size_t begin = 0; begin < columns; begin += kChunkRows) {
    size_t end = columns - begin < kChunkRows ? columns : begin + kChunkRows;
    T lanes[kStrip];
    for (size_t lane = 0; lane < width; ++lane) lanes[lane] = start;
    size_t i = begin;
    // Several rows at once, as lanes are read and written more slowly than they are computed.
    for (; i + kRowsAtOnce <= end; i += kRowsAtOnce) {
      const T* row = x + i * inner;
      for (size_t lane = 0; lane < width; ++lane) {
        T made = lanes[lane];
        for (size_t next = 0; next < kRowsAtOnce; ++next) made = F(made, row[next * inner + lane]);
        lanes[lane] = made;
      }
    }
    for (; i < end; ++i) {
      const T* row = x + i * inner;
      for (size_t lane = 0; lane < width; ++lane) lanes[lane] = F(lanes[lane], row[lane]);
    }
    for (size_t lane = 0; lane < width; ++lane) {
      to[lane] = begin == 0 ? lanes[lane] : F(to[lane], lanes[lane]);
    }
  }
}

template <typename T, auto F, auto Start>
void reduce(const void* in, void* out, size_t rows, size_t columns, size_t inner) {
  auto x = static_cast<const T*>(in);
  auto to = static_cast<T*>(out);
  bool together = inner < kLanes && kLanes % inner == 0;
  for (size_t row = 0; row < rows; ++row, x += columns * inner, to += inner) {
    if (!together) {
      for (size_t j = 0; j < inner; j += kStrip) {
        size_t width = inner - j < kStrip ? inner - j : kStrip;
        reduce_columns<T, F>(x + j, columns, inner, width, Start(), to + j);
      }
      continue;
    }
    size_t count = columns * inner;
    for (size_t begin = 0; begin < count; begin += kChunk) {
      size_t left = count - begin;
      T lanes[kLanes];
      reduce_lanes<T, F>(x + begin, left < kChunk ? left : kChunk, Start(), inner, lanes);
      for (size_t j = 0; j < inner; ++j) to[j] = begin == 0 ? lanes[j] : F(to[j], lanes[j]);
    }
  }
}

// Whether x is better than y in a search: a NaN is better than all numbers.
template <typename T, bool Greatest>
bool precedes(T x, T y) {
  return (Greatest ? (x > y) : (x < y)) || (x != x && y == y);
}

// The first place of a number, which is there, or of a NaN.
template <typename T>
size_t place_of(T wanted, const T* x, size_t count) {
  bool nan = wanted != wanted;
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    int here = 0;
    for (size_t lane = 0; lane < kLanes; ++lane) {
      here |= static_cast<int>(nan ? x[i + lane] != x[i + lane] : x[i + lane] == wanted);
    }
    if (here != 0) break;
  }
  while (nan ? x[i] == x[i] : x[i] != wanted) ++i;
  return i;
}

// The first of the best numbers. Those of a chunk are first compared as vectors, and looked through
// where there is a better one among them.
template <typename T, bool Greatest>
uint32_t search_row(const T* x, size_t columns) {
  constexpr size_t kSearched = 1024;
  T best = x[0];
  size_t place = 0;
  for (size_t begin = 0; begin < columns; begin += kSearched) {
    size_t end = columns - begin < kSearched ? columns : begin + kSearched;
    T lanes[kLanes];
    for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] = best;
    size_t i = begin;
    for (; i + kLanes <= end; i += kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane) {
        lanes[lane] = precedes<T, Greatest>(x[i + lane], lanes[lane]) ? x[i + lane] : lanes[lane];
      }
    }
    T found = best;
    for (; i < end; ++i) found = precedes<T, Greatest>(x[i], found) ? x[i] : found;
    for (size_t half = kLanes / 2; half > 0; half /= 2) {
      for (size_t lane = 0; lane < half; ++lane) {
        T other = lanes[lane + half];
        lanes[lane] = precedes<T, Greatest>(other, lanes[lane]) ? other : lanes[lane];
      }
    }
    found = precedes<T, Greatest>(lanes[0], found) ? lanes[0] : found;
    if (!precedes<T, Greatest>(found, best)) continue;
    best = found;
    place = begin + place_of(best, x + begin, end - begin);
  }
  return static_cast<uint32_t>(place);
}

template <typename T, bool Greatest>
void search_columns(const T* x, size_t columns, size_t inner, size_t width, uint32_t* to) {
  T best[kStrip];
  uint32_t place[kStrip];
  for (size_t lane = 0; lane < width; ++lane) {
    best[lane] = x[lane];
    place[lane] = 0;
  }
  for (size_t i = 1; i < columns; ++i) {
    const T* row = x + i * inner;
    for (size_t lane = 0; lane < width; ++lane) {
      bool better = precedes<T, Greatest>(row[lane], best[lane]);
      best[lane] = better ? row[lane] : best[lane];
      place[lane] = better ? static_cast<uint32_t>(i) : place[lane];
    }
  }
  for (size_t lane = 0; lane < width; ++lane) to[lane] = place[lane];
}

template <typename T, bool Greatest>
void search(const void* in, void* out, size_t rows, size_t columns, size_t inner) {
  auto x = static_cast<const T*>(in);
  auto to = static_cast<uint32_t*>(out);
  for (size_t row = 0; row < rows; ++row, x += columns * inner, to += inner) {
    if (inner == 1) {
      to[0] = search_row<T, Greatest>(x, columns);
      continue;
    }
    for (size_t j = 0; j < inner; j += kStrip) {
      size_t width = inner - j < kStrip ? inner - j : kStrip;
      search_columns<T, Greatest>(x + j, columns, inner, width, to + j);
    }
  }
}

template <typename T>
void repeat(const void* in, void* out, size_t rows, size_t columns, size_t inner) {
  auto x = static_cast<const T*>(in);
  auto to = static_cast<T*>(out);
  for (size_t row = 0; row < rows; ++row, x += inner) {
    if (inner == 1) {
      T value = *x;
      for (size_t i = 0; i < columns; ++i) to[i] = value;
      to += columns;
      continue;
    }
    for (size_t i = 0; i < columns; ++i, to += inner) {
      for (size_t j = 0; j < inner; ++j) to[j] = x[j];
    }
  }
}

}  // namespace
}  // namespace davit::kernels
