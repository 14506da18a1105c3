// Softmax in steps. Compiled once for each instruction set, as instructions.cpp.
#pragma once

#include "kernels/isa/math.h"
#include "kernels/isa/vectors.h"
#include "kernels/products/loops.h"

namespace davit::kernels {
namespace {

inline float greatest(const float* row, size_t columns, float least) {
  float result = least;
  size_t i = 0;
  if (columns >= kWidth) {
    Vector most = load(row);
    for (i = kWidth; i + kWidth <= columns; i += kWidth) {
      Vector next = load(row + i);
      most = most > next ? most : next;
    }
    for (size_t lane = 0; lane < kWidth; ++lane) result = most[lane] > result ? most[lane] : result;
  }
  for (; i < columns; ++i) result = row[i] > result ? row[i] : result;
  return result;
}

inline void scale(float* row, size_t columns, float factor) {
  for (size_t i = 0; i < columns; ++i) row[i] *= factor;
}

void soften(float* scores, size_t rows, size_t columns, float* highest, float* total, float* sums,
            size_t sums_stride, size_t sums_columns) {
  for (size_t row = 0; row < rows; ++row, scores += kRowStride, sums += sums_stride) {
    float most = greatest(scores, columns, highest[row]);
    // Where all are minus infinity, the difference to it would be no number.
    float base = most == -kInfinity ? 0.0f : most;
    if (most != highest[row]) {
      float factor = exp(highest[row] - base);
      total[row] *= factor;
      scale(sums, sums_columns, factor);
      highest[row] = most;
    }
    for (size_t i = 0; i < columns; ++i) scores[i] = exp(scores[i] - base);
    Vector added{};
    size_t i = 0;
    for (; i + kWidth <= columns; i += kWidth) added += load(scores + i);
    float rest = 0;
    for (; i < columns; ++i) rest += scores[i];
    total[row] += sum(added) + rest;
  }
}

}  // namespace
}  // namespace davit::kernels
