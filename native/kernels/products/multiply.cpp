#include "kernels/products/multiply.h"

#include <algorithm>
#include <utility>

#include "kernels/instructions.h"
#include "kernels/scratch.h"
#include "kernels/share.h"
#include "kernels/thresholds.h"
#include "threads/pool.h"

namespace davit::kernels {

namespace {

// Nanoseconds for a multiplication and an addition.
constexpr double kMultiplyCost = 0.02;

// Added to the distance between rows, which would otherwise lie in the same places of the cache.
constexpr size_t kOdd = 16;

size_t rounded_up(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }
size_t parts_of(size_t value, size_t part) { return (value + part - 1) / part; }

class Multiplication {
 public:
  Multiplication(std::span<const Product> products, const Format& format)
      : products_(products), format_(format), loops_(*instructions()->products) {
    for (const auto& product : products_) {
      double size = static_cast<double>(product.columns->width * product.columns->depth);
      double rows = static_cast<double>(product.rows.size());
      work_ += size * (rows * kMultiplyCost + product.columns->cost());
    }
    for (size_t i = 0; i < products_.size(); ++i) divide(i);
  }

  void run() {
    share_work(work_, jobs_.size(), [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) job(jobs_[i]);
    });
  }

 private:
  struct Job {
    const Product* product;
    const FewRows* few;  // or null, where panels are packed
    size_t first_row;
    size_t rows;
    size_t first_column;
    size_t columns;
  };

  void divide(size_t number) {
    const Product& product = products_[number];
    const Columns& columns = *product.columns;
    size_t rows = product.rows.size();
    if (rows == 0 || columns.width == 0) return;
    bool few = rows <= columns.few_rows();
    const FewRows* few_rows = few ? few_rows_of(product) : nullptr;
    size_t wanted = parts_of(4 * static_cast<size_t>(threads::usable_cores()), products_.size());
    size_t row_step =
        few ? rows : rounded_up(parts_of(rows, parts_of(rows, kMostRows)), loops_.tile_rows);
    size_t column_step = kMostColumns;
    while (column_step > kLeastColumns &&
           parts_of(rows, row_step) * parts_of(columns.width, column_step) < wanted) {
      column_step /= 2;
    }
    while (!few && row_step >= 2 * kLeastRows &&
           parts_of(rows, row_step) * parts_of(columns.width, column_step) < wanted) {
      row_step = rounded_up(row_step / 2, loops_.tile_rows);
    }
    for (size_t column = 0; column < columns.width; column += column_step) {
      for (size_t row = 0; row < rows; row += row_step) {
        jobs_.push_back({&product, few_rows, row, std::min(row_step, rows - row), column,
                         std::min(column_step, columns.width - column)});
      }
    }
  }

  // `count` elements of a row from `first` on, as float32.
  void widen_row(const void* row, size_t first, size_t count, float* to) const {
    size_t item = bytes_of(format_.real);
    auto widen = loops_.widen[static_cast<size_t>(format_.real)];
    auto from = static_cast<const std::byte*>(row);
    if (format_.step == 1) return widen(from + first * item, count, to);
    int64_t step = format_.step * static_cast<int64_t>(item);
    for (size_t i = 0; i < count; ++i)
      widen(from + static_cast<int64_t>(first + i) * step, 1, to + i);
  }

  // Products of the same rows share them.
  const FewRows* few_rows_of(const Product& product) {
    for (const auto& [of, rows] : few_rows_) {
      bool same = std::ranges::equal(of->rows, product.rows, {}, &Row::from, &Row::from) &&
                  of->columns->depth == product.columns->depth &&
                  of->columns->preparation() == product.columns->preparation();
      if (same) return rows.get();
    }
    few_rows_.emplace_back(&product, unpacked(product));
    return few_rows_.back().second.get();
  }

  std::unique_ptr<FewRows> unpacked(const Product& product) const {
    auto few = std::make_unique<FewRows>();
    size_t depth = product.columns->depth;
    few->count = product.rows.size();
    few->stride = rounded_up(depth, kPadding) + kOdd;
    few->values = std::make_unique<float[]>(few->count * few->stride);
    for (size_t r = 0; r < few->count; ++r) {
      widen_row(product.rows[r].from, 0, depth, few->values.get() + r * few->stride);
    }
    product.columns->prepare(*few);
    return few;
  }

  void job(const Job& job) const {
    size_t stride = rounded_up(job.columns, kPanel);
    if (job.few != nullptr) {
      auto sums = std::make_unique_for_overwrite<float[]>(job.rows * stride);
      job.product->columns->dots(*job.few, job.first_column, job.columns, sums.get(), stride);
      return finish(job, sums.get(), stride);
    }
    size_t depth = std::min(kDepth, job.product->columns->depth);
    size_t rows_size = rounded_up(job.rows * kRowStride, kPanel);
    auto* memory = reinterpret_cast<float*>(
        scratch((rows_size + stride * (depth + job.rows)) * sizeof(float)));
    float* rows = memory;
    float* panels = rows + rows_size;
    float* sums = panels + stride * depth;
    add_up(job, rows, panels, sums, stride);
    finish(job, sums, stride);
  }

  void add_up(const Job& job, float* rows, float* panels, float* sums, size_t stride) const {
    const Columns& columns = *job.product->columns;
    for (size_t k = 0; k < columns.depth; k += kDepth) {
      size_t length = std::min(kDepth, columns.depth - k);
      for (size_t r = 0; r < job.rows; ++r) {
        widen_row(job.product->rows[job.first_row + r].from, k, length, rows + r * kRowStride);
      }
      // Where each panel is read once or twice it is not worth packing.
      const float* in_place =
          job.rows <= kFewRowsInPlace ? columns.panel_at(k, job.first_column) : nullptr;
      size_t whole = in_place != nullptr ? job.columns / kPanel * kPanel : 0;
      if (whole < job.columns) {
        columns.pack(k, length, job.first_column + whole, job.columns - whole,
                     panels + whole * length);
      }
      for (size_t r = 0; r < job.rows; r += loops_.tile_rows) {
        size_t count = std::min(loops_.tile_rows, job.rows - r);
        for (size_t column = 0; column < job.columns; column += kPanel) {
          bool packed = column >= whole;
          loops_.tile(rows + r * kRowStride, count,
                      packed ? panels + column * length : in_place + column,
                      packed ? kPanel : columns.panel_stride(), length, sums + r * stride + column,
                      stride, k > 0);
        }
      }
    }
  }

  // Brings sums to where the result is.
  void finish(const Job& job, float* sums, size_t stride) const {
    auto narrow = loops_.narrow[static_cast<size_t>(format_.real)];
    auto widen = loops_.widen[static_cast<size_t>(format_.real)];
    size_t item = bytes_of(format_.real);
    float addends[kMostColumns];
    for (size_t r = 0; r < job.rows; ++r, sums += stride) {
      const Row& row = job.product->rows[job.first_row + r];
      if (row.addend != nullptr) {
        int64_t step = format_.addend_step * static_cast<int64_t>(item);
        auto from = static_cast<const std::byte*>(row.addend) +
                    static_cast<int64_t>(job.first_column) * step;
        if (format_.addend_step == 1) {
          widen(from, job.columns, addends);
        } else {
          for (size_t i = 0; i < job.columns; ++i)
            widen(from + static_cast<int64_t>(i) * step, 1, addends + i);
        }
        for (size_t i = 0; i < job.columns; ++i) {
          sums[i] = format_.scale * sums[i] + format_.addend_scale * addends[i];
        }
      } else if (format_.scale != 1) {
        for (size_t i = 0; i < job.columns; ++i) sums[i] *= format_.scale;
      }
      narrow(sums, job.columns, static_cast<std::byte*>(row.to) + job.first_column * item);
    }
  }

  std::span<const Product> products_;
  const Format& format_;
  const ProductLoops& loops_;
  std::vector<std::pair<const Product*, std::unique_ptr<FewRows>>> few_rows_;
  std::vector<Job> jobs_;
  double work_ = 0;
};

}  // namespace

void multiply(std::span<const Product> products, const Format& format) {
  Multiplication(products, format).run();
}

}  // namespace davit::kernels
