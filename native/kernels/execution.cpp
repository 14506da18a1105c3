#include "kernels/execution.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>

#include "kernels/layout.h"
#include "threads/pool.h"

namespace davit::kernels {

namespace {

// Elements that are done at a time, where rows do not say otherwise: what a few registers of them
// take stays in the L1 cache.
constexpr size_t kBlock = 1024;
// Less work than this, in nanoseconds, is not worth a second thread.
constexpr double kShared = 30'000;
// Memory of this thread for the values of a program, which grows to what is needed.
std::byte* scratch(size_t bytes) {
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  static thread_local std::unique_ptr<std::byte, Free> memory;
  static thread_local size_t size = 0;
  if (size < bytes) {
    size = std::max(bytes, size_t{64 << 10});
    memory.reset();
    memory.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, size)));
    if (!memory) {
      size = 0;
      throw std::bad_alloc();
    }
  }
  return memory.get();
}

}  // namespace

// One thread's part of a run.
class Execution::Worker {
 public:
  Worker(const Execution& execution, std::span<const void* const> inputs,
         std::span<void* const> outputs)
      : of_(execution), inputs_(inputs), outputs_(outputs) {
    const auto& program = of_.program_;
    auto* memory = scratch(of_.places_.bytes + of_.half_bytes_);
    halves_ = memory + of_.places_.bytes;
    at_.resize(program.values.size());
    for (size_t i = 0; i < at_.size(); ++i) at_[i] = memory + of_.places_.offset[i];
    for (size_t i = 0; i < program.inputs.size(); ++i) {
      if (of_.single_[i]) load(i, 0, count(program.inputs[i], of_.most_wide_, of_.most_rows_));
    }
  }

  void block(const Block& block) {
    const auto& program = of_.program_;
    for (size_t i = 0; i < program.inputs.size(); ++i) {
      if (of_.single_[i]) continue;
      const auto& input = program.inputs[i];
      load(i, first(input, block), count(input, block.wide, block.rows));
    }
    for (size_t i = 0; i < program.outputs.size(); ++i) {
      const auto& output = program.outputs[i];
      if (!output.half) at_[output.value] = memory_of(i, first(output, block));
    }
    steps(block);
    for (size_t i = 0; i < program.outputs.size(); ++i) {
      const auto& output = program.outputs[i];
      store(i, first(output, block), count(output, block.wide, block.rows));
    }
  }

 private:
  size_t first(const Port& port, const Block& block) const {
    bool wide = of_.program_.values[port.value].extent == Extent::wide;
    return wide ? block.first_wide : block.first_row;
  }
  size_t count(const Port& port, size_t wide, size_t narrow) const {
    return of_.program_.values[port.value].extent == Extent::wide ? wide : narrow;
  }
  std::byte* memory_of(size_t output, size_t element) const {
    return static_cast<std::byte*>(outputs_[output]) +
           element * item_bytes(of_.program_, of_.program_.outputs[output]);
  }

  void load(size_t i, size_t begin, size_t length) {
    const auto& port = of_.program_.inputs[i];
    size_t item = item_bytes(of_.program_, port);
    const void* from = static_cast<const std::byte*>(inputs_[i]) + begin * item;
    if (!of_.dense_[i]) {
      void* to = port.half ? halves_ : at_[port.value];
      gather(of_.layouts_[i], inputs_[i], item, begin, length, to);
      from = to;
    } else if (!port.half) {
      // Nothing writes there: may_overwrite() has seen to it.
      at_[port.value] = const_cast<void*>(from);
    }
    if (port.half) {
      instructions()->widen[static_cast<int>(*port.half)](from, nullptr, nullptr, at_[port.value],
                                                          length, 0);
    }
  }

  void steps(const Block& block) {
    for (const auto& step : of_.program_.steps) {
      bool wide = of_.program_.values[step.out].extent == Extent::wide;
      size_t length = wide ? block.wide : block.rows;
      const void* a = step.a < 0 ? nullptr : at_[step.a];
      void* out = at_[step.out];
      if (step.row_kernel != nullptr) {
        step.row_kernel(a, out, block.rows, block.wide / block.rows);
      } else {
        step.kernel(a, step.b < 0 ? nullptr : at_[step.b], step.c < 0 ? nullptr : at_[step.c], out,
                    length, step.immediate);
      }
      if (step.round != nullptr) step.round(out, nullptr, nullptr, out, length, 0);
    }
  }

  void store(size_t i, size_t begin, size_t length) {
    const auto& port = of_.program_.outputs[i];
    auto* to = memory_of(i, begin);
    if (port.half) {
      instructions()->narrow[static_cast<int>(*port.half)](at_[port.value], nullptr, nullptr, to,
                                                           length, 0);
    } else if (at_[port.value] != to) {
      std::memcpy(to, at_[port.value], length * item_bytes(of_.program_, port));
    }
  }

  const Execution& of_;
  std::span<const void* const> inputs_;
  std::span<void* const> outputs_;
  std::vector<void*> at_;
  std::byte* halves_;
};

Execution::Execution(const Program& program, std::span<const Layout> layouts, size_t rows,
                     size_t columns)
    // Without rows, each element is one.
    : program_(program),
      rows_(program.has_rows() ? rows : rows * columns),
      columns_(program.has_rows() ? columns : 1),
      work_(program.cost * static_cast<double>(rows) * static_cast<double>(columns)) {
  in_memory_.assign(program.values.size(), false);
  for (size_t i = 0; i < layouts.size(); ++i) {
    layouts_.push_back(collapsed(layouts[i]));
    single_.push_back(is_single(layouts_[i]));
    dense_.push_back(is_dense(layouts_[i]) && !single_[i]);
    if (dense_[i] && !program.inputs[i].half) in_memory_[program.inputs[i].value] = true;
  }
  for (const auto& output : program.outputs) {
    // One value may be two outputs: the first is written, the others are copies.
    if (!output.half) in_memory_[output.value] = true;
  }
  bool parts = program.has_rows() && columns > kLongestRow && program.rows_divide();
  size_t step = (columns_ == 1 ? 1 : 2) * kBlock / std::max(columns_, size_t{1});
  step = std::clamp(step, size_t{1}, std::max(rows_, size_t{1}));
  most_wide_ = parts ? kLongestRow : step * columns_;
  most_rows_ = parts ? 1 : step;
  places_ = place(program, in_memory_, most_wide_, most_rows_);
  size_t most = std::max(most_wide_, most_rows_);
  half_bytes_ = (most * sizeof(uint16_t) + kAlignment - 1) / kAlignment * kAlignment;
}

// Does blocks, shared among threads where there is enough to do.
template <typename BlockAt>
void Execution::run_blocks(std::span<const void* const> inputs, std::span<void* const> outputs,
                           size_t blocks, BlockAt&& block_at) const {
  auto part = [&](size_t begin, size_t end) {
    Worker worker(*this, inputs, outputs);
    for (size_t i = begin; i < end; ++i) worker.block(block_at(i));
  };
  if (work_ < kShared || blocks < 2) return part(0, blocks);
  // Small enough that a thread which comes late holds nobody up.
  size_t parts = std::clamp(static_cast<size_t>(work_ / kShared), size_t{2}, size_t{64});
  parts = std::min(parts, blocks);
  std::mutex mutex;
  std::exception_ptr failure;  // there may be no memory for a thread's registers
  threads::share(parts, [&](size_t i) {
    try {
      part(blocks * i / parts, blocks * (i + 1) / parts);
    } catch (...) {
      std::lock_guard lock(mutex);
      failure = std::current_exception();
    }
  });
  if (failure) std::rethrow_exception(failure);
}

void Execution::run(std::span<const void* const> inputs, std::span<void* const> outputs) const {
  if (rows_ == 0 || columns_ == 0) return;
  if (columns_ > most_wide_) return run_parts(inputs, outputs);
  run_blocks(inputs, outputs, (rows_ + most_rows_ - 1) / most_rows_, [&](size_t i) {
    size_t first = i * most_rows_;
    size_t count = std::min(most_rows_, rows_ - first);
    return Block{first * columns_, count * columns_, first, count};
  });
}

// Rows of which each is longer than a part: the parts are reduced on their own, and then what came
// of them.
void Execution::run_parts(std::span<const void* const> inputs,
                          std::span<void* const> outputs) const {
  size_t parts = (columns_ + kLongestRow - 1) / kLongestRow;
  // The reductions as they are before they are rounded to halves, a number for each part.
  Program divided = program_;
  std::vector<std::vector<std::byte>> reduced;
  std::vector<void*> memory;
  for (size_t i = 0; i < outputs.size(); ++i) {
    auto& output = divided.outputs[i];
    bool narrow = program_.values[output.value].extent == Extent::narrow;
    if (narrow) output.half.reset();
    reduced.emplace_back(narrow ? rows_ * parts * item_bytes(divided, output) : 0);
    memory.push_back(narrow ? reduced.back().data() : outputs[i]);
  }
  for (auto& step : divided.steps) {
    if (step.row_kernel != nullptr) step.round = nullptr;
  }
  Execution execution(divided, layouts_, rows_, columns_);
  execution.run_blocks(inputs, memory, rows_ * parts, [&](size_t i) {
    size_t begin = i % parts * kLongestRow;
    return Block{i / parts * columns_ + begin, std::min(kLongestRow, columns_ - begin), i, 1};
  });
  for (size_t i = 0; i < outputs.size(); ++i) {
    const auto& output = program_.outputs[i];
    if (program_.values[output.value].extent == Extent::wide) continue;
    auto step = std::ranges::find(program_.steps, output.value, &Step::out);
    if (output.half) {
      std::vector<float> whole(rows_);
      step->row_kernel(reduced[i].data(), whole.data(), rows_, parts);
      instructions()->narrow[static_cast<int>(*output.half)](whole.data(), nullptr, nullptr,
                                                             outputs[i], rows_, 0);
    } else {
      step->row_kernel(reduced[i].data(), outputs[i], rows_, parts);
    }
  }
}

}  // namespace davit::kernels
