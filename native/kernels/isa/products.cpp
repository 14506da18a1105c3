// The loops of products, compiled once for each instruction set, as instructions.cpp.
#include "kernels/isa/packed.h"
#include "kernels/isa/soften.h"
#include "kernels/isa/vectors.h"
#include "kernels/products/loops.h"

namespace davit::kernels {
namespace {

// Columns of a tile, in vectors, and the rows whose sums fit into the registers beside them.
constexpr size_t kTileVectors = 2;
constexpr size_t kTileColumns = kTileVectors * kWidth;
#if defined(__AVX512F__)
constexpr size_t kTileRows = 12;
#elif defined(__AVX2__)
constexpr size_t kTileRows = 6;
#elif defined(__ARM_NEON)
constexpr size_t kTileRows = 8;
#else
constexpr size_t kTileRows = 4;
#endif

template <size_t Rows>
void tile_of(const float* rows, const float* panel, size_t panel_stride, size_t depth, float* sums,
             size_t sums_stride, bool add) {
  Vector tile[Rows][kTileVectors];
#pragma GCC unroll 16
  for (size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kTileVectors; ++v) tile[r][v] = Vector{};
  }
  for (size_t k = 0; k < depth; ++k, panel += panel_stride) {
    Vector columns[kTileVectors];
#pragma GCC unroll 4
    for (size_t v = 0; v < kTileVectors; ++v) columns[v] = load(panel + v * kWidth);
#pragma GCC unroll 16
    for (size_t r = 0; r < Rows; ++r) {
      Vector x = all(rows[r * kRowStride + k]);
#pragma GCC unroll 4
      for (size_t v = 0; v < kTileVectors; ++v) {
        tile[r][v] = multiply_add(x, columns[v], tile[r][v]);
      }
    }
  }
#pragma GCC unroll 16
  for (size_t r = 0; r < Rows; ++r, sums += sums_stride) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kTileVectors; ++v) {
      float* to = sums + v * kWidth;
      store(to, add ? load(to) + tile[r][v] : tile[r][v]);
    }
  }
}

template <size_t Rows = kTileRows>
void tile_rows(size_t count, const float* rows, const float* panel, size_t panel_stride,
               size_t depth, float* sums, size_t sums_stride, bool add) {
  if (count == Rows) {
    tile_of<Rows>(rows, panel, panel_stride, depth, sums, sums_stride, add);
  } else if constexpr (Rows > 1) {
    tile_rows<Rows - 1>(count, rows, panel, panel_stride, depth, sums, sums_stride, add);
  }
}

void tile(const float* rows, size_t row_count, const float* panel, size_t panel_stride,
          size_t depth, float* sums, size_t sums_stride, bool add) {
  for (size_t row = 0; row < row_count; row += kTileRows) {
    size_t count = row_count - row < kTileRows ? row_count - row : kTileRows;
    for (size_t column = 0; column < kPanel; column += kTileColumns) {
      tile_rows(count, rows + row * kRowStride, panel + column, panel_stride, depth,
                sums + row * sums_stride + column, sums_stride, add);
    }
  }
}

template <typename Element>
void widen(const void* from, size_t count, float* to) {
  auto elements = static_cast<const Element*>(from);
  size_t i = 0;
  for (; i + kWidth <= count; i += kWidth) store(to + i, load(elements + i));
  for (; i < count; ++i) to[i] = one(elements + i);
}

template <typename Element>
void pack_rows(const void* from, size_t stride, size_t depth, size_t columns, float* panel) {
  auto elements = static_cast<const Element*>(from);
  for (size_t k = 0; k < depth; ++k, elements += stride, panel += kPanel) {
    if (columns == kPanel) {
#pragma GCC unroll 8
      for (size_t i = 0; i < kPanel; i += kWidth) store(panel + i, load(elements + i));
    } else {
      for (size_t i = 0; i < kPanel; ++i) panel[i] = i < columns ? one(elements + i) : 0.0f;
    }
  }
}

template <typename Element>
void pack_columns(const void* from, size_t stride, size_t depth, size_t columns, float* panel) {
  auto elements = static_cast<const Element*>(from);
  for (size_t column = 0; column < kPanel; column += kWidth) {
    for (size_t k = 0; k < depth; k += kWidth) {
      size_t length = depth - k < kWidth ? depth - k : kWidth;
      Vector block[kWidth];
#pragma GCC unroll 16
      for (size_t i = 0; i < kWidth; ++i) {
        const Element* at = elements + (column + i) * stride + k;
        block[i] = column + i >= columns ? Vector{}
                   : length == kWidth    ? load(at)
                                         : load_some(at, length);
      }
      transpose(block);
#pragma GCC unroll 16
      for (size_t i = 0; i < kWidth; ++i) {
        if (i < length) store(panel + (k + i) * kPanel + column, block[i]);
      }
    }
  }
}

// Rows and columns of which each vector that is loaded is used several times.
#if defined(__AVX512F__) || defined(__ARM_NEON)
constexpr size_t kDotRows = 6;
constexpr size_t kDotColumns = 4;
#else
constexpr size_t kDotRows = 3;
constexpr size_t kDotColumns = 3;
#endif

template <size_t Rows, size_t Columns, typename Element>
void dots_of(const float* rows, size_t row_stride, const Element* columns, size_t column_stride,
             size_t depth, float* sums, size_t sums_stride, bool add) {
  Vector tile[Rows][Columns];
#pragma GCC unroll 8
  for (size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 8
    for (size_t c = 0; c < Columns; ++c) tile[r][c] = Vector{};
  }
  auto step = [&](size_t k, auto&& column_at) {
    Vector column[Columns];
#pragma GCC unroll 8
    for (size_t c = 0; c < Columns; ++c) column[c] = column_at(columns + c * column_stride + k);
#pragma GCC unroll 8
    for (size_t r = 0; r < Rows; ++r) {
      Vector x = load(rows + r * row_stride + k);
#pragma GCC unroll 8
      for (size_t c = 0; c < Columns; ++c) tile[r][c] = multiply_add(x, column[c], tile[r][c]);
    }
  };
  size_t k = 0;
  for (; k + kWidth <= depth; k += kWidth) step(k, [](const Element* at) { return load(at); });
  if (k < depth) step(k, [&](const Element* at) { return load_some(at, depth - k); });
#pragma GCC unroll 8
  for (size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 8
    for (size_t c = 0; c < Columns; ++c) {
      float& to = sums[r * sums_stride + c];
      to = add ? to + sum(tile[r][c]) : sum(tile[r][c]);
    }
  }
}

template <typename Element, size_t Columns, size_t Rows = kDotRows>
void dots_rows(size_t count, const float* rows, size_t row_stride, const Element* columns,
               size_t column_stride, size_t depth, float* sums, size_t sums_stride, bool add) {
  if (count == Rows) {
    dots_of<Rows, Columns>(rows, row_stride, columns, column_stride, depth, sums, sums_stride, add);
  } else if constexpr (Rows > 1) {
    dots_rows<Element, Columns, Rows - 1>(count, rows, row_stride, columns, column_stride, depth,
                                          sums, sums_stride, add);
  }
}

template <typename Element, size_t Columns>
void dots_columns(const float* rows, size_t row_stride, size_t row_count, const Element* columns,
                  size_t column_stride, size_t depth, float* sums, size_t sums_stride, bool add) {
  for (size_t row = 0; row < row_count; row += kDotRows) {
    size_t count = row_count - row < kDotRows ? row_count - row : kDotRows;
    dots_rows<Element, Columns>(count, rows + row * row_stride, row_stride, columns, column_stride,
                                depth, sums + row * sums_stride, sums_stride, add);
  }
}

template <typename Element>
void dots(const float* rows, size_t row_stride, size_t row_count, const void* columns,
          size_t column_stride, size_t column_count, size_t depth, float* sums, size_t sums_stride,
          bool add) {
  auto elements = static_cast<const Element*>(columns);
  size_t column = 0;
  for (; column + kDotColumns <= column_count; column += kDotColumns) {
    dots_columns<Element, kDotColumns>(rows, row_stride, row_count,
                                       elements + column * column_stride, column_stride, depth,
                                       sums + column, sums_stride, add);
  }
  for (; column < column_count; ++column) {
    dots_columns<Element, 1>(rows, row_stride, row_count, elements + column * column_stride,
                             column_stride, depth, sums + column, sums_stride, add);
  }
}

template <typename Element>
void fill(ProductLoops& table, Real real) {
  auto place = static_cast<size_t>(real);
  table.widen[place] = widen<Element>;
  table.pack_rows[place] = pack_rows<Element>;
  table.pack_columns[place] = pack_columns<Element>;
  table.dots[place] = dots<Element>;
}

ProductLoops build() {
  ProductLoops table{};
  fill<float>(table, Real::f32);
  fill<Float16>(table, Real::f16);
  fill<Bfloat16>(table, Real::bf16);
  table.narrow[static_cast<size_t>(Real::f32)] = [](const float* from, size_t count, void* to) {
    __builtin_memcpy(to, from, count * sizeof(float));
  };
  table.narrow[static_cast<size_t>(Real::f16)] = [](const float* from, size_t count, void* to) {
    narrow_f16(from, static_cast<uint16_t*>(to), count);
  };
  table.narrow[static_cast<size_t>(Real::bf16)] = [](const float* from, size_t count, void* to) {
    auto halves = static_cast<uint16_t*>(to);
    for (size_t i = 0; i < count; ++i) halves[i] = to_bf16(from[i]);
  };
  table.tile = tile;
  table.tile_rows = kTileRows;
  table.soften = soften;
  table.unpack = unpack_of;
  table.packed_dots = packed_dots_of;
  return table;
}

}  // namespace

#define DAVIT_JOINED(a, b) a##b
#define DAVIT_NAMED(a, b) DAVIT_JOINED(a, b)

extern const ProductLoops* DAVIT_NAMED(products_, DAVIT_ISA)();
const ProductLoops* DAVIT_NAMED(products_, DAVIT_ISA)() {
  static const ProductLoops table = build();
  return &table;
}

}  // namespace davit::kernels
