#include "kernels/attention/attention.h"

#include <mlx/allocator.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "kernels/instructions.h"
#include "kernels/products/matrices.h"
#include "kernels/scratch.h"
#include "kernels/share.h"
#include "kernels/thresholds.h"
#include "threads/pool.h"

namespace davit::kernels {

namespace mx = mlx::core;

namespace {

// Keys that are done at a time.
constexpr size_t kKeys = kDepth;
// Nanoseconds for an exponential, and for a multiplication and an addition.
constexpr double kExpCost = 0.7;
constexpr double kMultiplyCost = 0.02;

size_t rounded_up(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

class Run {
 public:
  Run(Real real, const std::vector<ScoreStep>& steps, bool sinks,
      const std::vector<mx::array>& inputs, mx::array& output)
      : real_(real),
        steps_(steps),
        loops_(*instructions()->products),
        queries_(inputs[0]),
        keys_(inputs[1]),
        values_(inputs[2]),
        output_(output) {
    auto shape = output.shape();
    shape.back() = inputs[1].shape(-1);
    for (size_t i = 3; i < inputs.size(); ++i) {
      shape.back() = sinks && i + 1 == inputs.size() ? 1 : inputs[1].shape(-1);
      operands_.emplace_back(inputs[i], shape);
    }
    sinks_ = sinks ? &operands_.back() : nullptr;
    divide();
  }

  void operator()() {
    double scores = static_cast<double>(queries_.count() * queries_.rows() * keys_.columns());
    double products = static_cast<double>(keys_.rows() + values_.columns());
    share_work(scores * (products * kMultiplyCost + kExpCost), jobs_.size(),
               [&](size_t begin, size_t end) {
                 for (size_t i = begin; i < end; ++i) job(jobs_[i]);
               });
  }

 private:
  // Rows of queries of several matrices that see the same keys and values, counted one matrix after
  // the other.
  struct Job {
    size_t matrix;  // the first one
    size_t first;
    size_t rows;
  };

  struct Place {
    size_t matrix;
    size_t query;
  };
  Place place_of(const Job& job, size_t row) const {
    size_t number = job.first + row;
    return {job.matrix + number / queries_.rows(), number % queries_.rows()};
  }

  // Memory of a job.
  struct Memory {
    float* queries;  // for each kDepth elements of the inner dimension, rows kRowStride apart
    float* scores;
    float* panels;
    float* sums;
    size_t stride;  // of sums
    float* highest;
    float* total;
    float* masks;
  };

  void divide() {
    size_t count = queries_.count();
    size_t rows = queries_.rows();
    size_t wanted = 4 * static_cast<size_t>(threads::usable_cores());
    size_t step = kMostQueries;
    while (step > kLeastQueries && count * (rows + step - 1) / step < wanted) step /= 2;
    for (size_t i = 0; i < count;) {
      size_t next = i + 1;
      while (next < count && keys_.at(next) == keys_.at(i) && values_.at(next) == values_.at(i)) {
        ++next;
      }
      size_t all = (next - i) * rows;
      for (size_t first = 0; first < all; first += step) {
        jobs_.push_back({i, first, std::min(step, all - first)});
      }
      i = next;
    }
  }

  void job(const Job& job) const {
    size_t depths = (keys_.rows() + kDepth - 1) / kDepth;
    size_t stride = rounded_up(values_.columns(), kPanel);
    size_t rows = rounded_up(job.rows, 16);
    size_t sizes[] = {depths * rows * kRowStride,
                      rows * kRowStride,
                      kKeys * std::max(kDepth, stride),
                      rows * stride,
                      rows,
                      rows,
                      kKeys};
    size_t all = 0;
    for (size_t size : sizes) all += size;
    auto* at = reinterpret_cast<float*>(scratch(all * sizeof(float)));
    float* parts[std::size(sizes)];
    for (size_t i = 0; i < std::size(sizes); ++i) {
      parts[i] = at;
      at += sizes[i];
    }
    Memory memory{parts[0], parts[1], parts[2], parts[3], stride, parts[4], parts[5], parts[6]};
    begin(job, memory);
    size_t visible = visible_keys(job);
    for (size_t key = 0; key < visible; key += kKeys) {
      size_t keys = std::min(kKeys, visible - key);
      score(job, memory, key, keys);
      for (const auto& step : steps_) apply(step, job, memory, key, keys);
      loops_.soften(memory.scores, job.rows, keys, memory.highest, memory.total, memory.sums,
                    stride, stride);
      add_values(job, memory, key, keys);
    }
    finish(job, memory);
  }

  void begin(const Job& job, const Memory& memory) const {
    std::fill_n(memory.sums, job.rows * memory.stride, 0.0f);
    for (size_t r = 0; r < job.rows; ++r) {
      auto [matrix, query] = place_of(job, r);
      for (size_t k = 0; k < keys_.rows(); k += kDepth) {
        size_t length = std::min(kDepth, keys_.rows() - k);
        float* to = memory.queries + (k / kDepth * rounded_up(job.rows, 16) + r) * kRowStride;
        const auto* from = queries_.row(matrix, query) +
                           static_cast<int64_t>(k) * queries_.column_stride() * item();
        widen(real_, from, queries_.column_stride(), length, to);
        std::fill(to + length, to + kRowStride, 0.0f);
      }
      memory.highest[r] = -std::numeric_limits<float>::infinity();
      memory.total[r] = 0;
      if (sinks_ == nullptr) continue;
      widen(real_, sinks_->row(matrix, query), 1, 1, &memory.highest[r]);
      memory.total[r] = 1;
    }
  }

  // The keys that any of the rows sees. Where a row sees none, its scores are all alike, and count.
  size_t visible_keys(const Job& job) const {
    size_t all = keys_.columns();
    if (steps_.empty() || steps_.back().kind != ScoreStep::Kind::causal) return all;
    int64_t last = 0;
    for (size_t r = 0; r < job.rows; ++r) {
      auto sees = static_cast<int64_t>(place_of(job, r).query) + steps_.back().offset;
      if (sees < 0) return all;
      last = std::max(last, sees);
    }
    return std::min(all, static_cast<size_t>(last) + 1);
  }

  void score(const Job& job, const Memory& memory, size_t key, size_t keys) const {
    bool few = job.rows <= kFewRows && keys_.row_stride() == 1;
    DenseColumns columns(keys_.at(job.matrix), real_, keys_.rows(), keys_.columns(),
                         keys_.row_stride(), keys_.column_stride());
    for (size_t k = 0; k < keys_.rows(); k += kDepth) {
      size_t length = std::min(kDepth, keys_.rows() - k);
      const float* rows = memory.queries + k / kDepth * rounded_up(job.rows, 16) * kRowStride;
      if (few) {
        const auto* from =
            keys_.at(job.matrix) +
            (static_cast<int64_t>(k) + static_cast<int64_t>(key) * keys_.column_stride()) * item();
        loops_.dots[static_cast<size_t>(real_)](rows, kRowStride, job.rows, from,
                                                static_cast<size_t>(keys_.column_stride()), keys,
                                                length, memory.scores, kRowStride, k > 0);
        continue;
      }
      columns.pack(k, length, key, keys, memory.panels);
      multiply(job, rows, memory.panels, length * kPanel, kPanel, length, keys, memory.scores,
               kRowStride, k > 0);
    }
  }

  // Rows times panels.
  void multiply(const Job& job, const float* rows, const float* panels, size_t panel_distance,
                size_t panel_stride, size_t depth, size_t columns, float* sums, size_t stride,
                bool add) const {
    for (size_t r = 0; r < job.rows; r += loops_.tile_rows) {
      size_t count = std::min(loops_.tile_rows, job.rows - r);
      for (size_t column = 0; column < columns; column += kPanel) {
        loops_.tile(rows + r * kRowStride, count, panels + column / kPanel * panel_distance,
                    panel_stride, depth, sums + r * stride + column, stride, add);
      }
    }
  }

  void apply(const ScoreStep& step, const Job& job, const Memory& memory, size_t key,
             size_t keys) const {
    for (size_t r = 0; r < job.rows; ++r) {
      float* row = memory.scores + r * kRowStride;
      auto [matrix, query] = place_of(job, r);
      switch (step.kind) {
        case ScoreStep::Kind::scale:
          for (size_t i = 0; i < keys; ++i) row[i] *= step.value;
          break;
        case ScoreStep::Kind::causal: {
          int64_t seen = static_cast<int64_t>(query) + step.offset + 1 - static_cast<int64_t>(key);
          auto first =
              static_cast<size_t>(std::clamp(seen, int64_t{0}, static_cast<int64_t>(keys)));
          std::fill(row + first, row + keys, step.value);
          break;
        }
        case ScoreStep::Kind::add: {
          const auto& operand = operands_[step.input - 3];
          const auto* from = operand.row(matrix, query) +
                             static_cast<int64_t>(key) * operand.column_stride() * item();
          widen(real_, from, operand.column_stride(), keys, memory.masks);
          for (size_t i = 0; i < keys; ++i) row[i] += memory.masks[i];
          break;
        }
        case ScoreStep::Kind::select: {
          const auto& operand = operands_[step.input - 3];
          int64_t stride = operand.column_stride();
          const auto* from = operand.row(matrix, query) + static_cast<int64_t>(key) * stride;
          for (size_t i = 0; i < keys; ++i) {
            bool kept = from[static_cast<int64_t>(i) * stride] != std::byte{0};
            row[i] = kept ? row[i] : step.value;
          }
          break;
        }
      }
    }
  }

  void add_values(const Job& job, const Memory& memory, size_t key, size_t keys) const {
    DenseColumns columns(values_.at(job.matrix), real_, values_.rows(), values_.columns(),
                         values_.row_stride(), values_.column_stride());
    const float* in_place = values_.columns() % kPanel == 0 && job.rows <= kFewRowsInPlace
                                ? columns.panel_at(key, 0)
                                : nullptr;
    if (in_place != nullptr) {
      multiply(job, memory.scores, in_place, kPanel, columns.panel_stride(), keys,
               values_.columns(), memory.sums, memory.stride, true);
      return;
    }
    columns.pack(key, keys, 0, values_.columns(), memory.panels);
    multiply(job, memory.scores, memory.panels, keys * kPanel, kPanel, keys, values_.columns(),
             memory.sums, memory.stride, true);
  }

  void finish(const Job& job, const Memory& memory) const {
    size_t width = values_.columns();
    auto* to = output_.data<std::byte>();
    for (size_t r = 0; r < job.rows; ++r) {
      auto [matrix, query] = place_of(job, r);
      float* row = memory.sums + r * memory.stride;
      float factor = 1 / memory.total[r];
      for (size_t i = 0; i < width; ++i) row[i] *= factor;
      loops_.narrow[static_cast<size_t>(real_)](
          row, width, to + (matrix * queries_.rows() + query) * width * bytes_of(real_));
    }
  }

  void widen(Real real, const std::byte* from, int64_t stride, size_t count, float* to) const {
    auto each = loops_.widen[static_cast<size_t>(real)];
    if (stride == 1) return each(from, count, to);
    for (size_t i = 0; i < count; ++i)
      each(from + static_cast<int64_t>(i) * stride * item(), 1, to + i);
  }

  int64_t item() const { return static_cast<int64_t>(bytes_of(real_)); }

  Real real_;
  const std::vector<ScoreStep>& steps_;
  const ProductLoops& loops_;
  Matrices queries_;
  Matrices keys_;
  Matrices values_;
  mx::array& output_;
  std::vector<Matrices> operands_;
  const Matrices* sinks_ = nullptr;
  std::vector<Job> jobs_;
};

}  // namespace

Attention::Attention(mx::Stream stream, Real real, std::vector<ScoreStep> steps, bool sinks)
    : Primitive(stream), real_(real), steps_(std::move(steps)), sinks_(sinks) {}

void Attention::eval_cpu(const std::vector<mx::array>& inputs, std::vector<mx::array>& outputs) {
  outputs[0].set_data(mx::allocator::malloc(outputs[0].nbytes()));
  Run(real_, steps_, sinks_, inputs, outputs[0])();
}

void Attention::eval_gpu(const std::vector<mx::array>&, std::vector<mx::array>&) {
  throw std::runtime_error("a kernel for the CPU is evaluated on a CPU stream");
}

}  // namespace davit::kernels
