// Products of rows with columns, in blocks, on one or several threads.
#pragma once

#include <span>
#include <vector>

#include "kernels/products/columns.h"

namespace davit::kernels {

// A row of the first factor, its row of the result, and what is added to that (or null).
struct Row {
  const void* from;
  void* to;
  const void* addend;
};

// Rows that are multiplied with the same columns.
struct Product {
  const Columns* columns;
  std::vector<Row> rows;
};

// How the elements of all rows lie in memory: to = scale * (from x columns) + addend_scale *
// addend.
struct Format {
  Real real;
  int64_t step = 1;         // between the elements of a row of the first factor
  int64_t addend_step = 1;  // between those of an addend
  float scale = 1;
  float addend_scale = 1;
};

// Computes all products. How work is divided does not show in the results.
void multiply(std::span<const Product> products, const Format& format);

}  // namespace davit::kernels
