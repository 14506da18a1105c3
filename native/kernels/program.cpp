#include "kernels/program.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "kernels/layout.h"
#include "kernels/places.h"
#include "threads/pool.h"

namespace davit::kernels {

namespace {

// Elements that are done at a time, where rows do not say otherwise: what a few registers of them
// take stays in the L1 cache.
constexpr size_t kBlock = 1024;
// The registers of a program with rows stay in the L2 cache, or a little beyond it.
constexpr size_t kScratch = 4 << 20;
// Less work than this, in nanoseconds, is not worth a second thread.
constexpr double kShared = 30'000;
// Parts of a row that are reduced on their own, so that the result does not depend on how many
// threads there are.
constexpr size_t kPart = 1 << 16;
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

// The places of a program that are done at a time: elements of wide values, and rows of narrow
// ones.
struct Block {
  size_t first_wide;
  size_t wide;
  size_t first_row;
  size_t rows;
};

// What all blocks of a run have in common.
class Runner {
 public:
  Runner(const Program& program, std::span<const Source> sources, std::span<void* const> outputs,
         size_t most_wide, size_t most_narrow)
      : program_(program), sources_(sources), outputs_(outputs) {
    in_memory_.assign(program.values.size(), false);
    for (size_t i = 0; i < sources.size(); ++i) {
      layouts_.push_back(collapsed(sources[i].layout));
      bool direct = is_dense(layouts_[i]) && !is_single(layouts_[i]);
      dense_.push_back(direct);
      single_.push_back(is_single(layouts_[i]));
      if (direct && !program.inputs[i].half) in_memory_[program.inputs[i].value] = true;
    }
    for (const auto& output : program.outputs) {
      // One value may be two outputs: the first is written, the others are copies.
      if (!output.half) in_memory_[output.value] = true;
    }
    places_ = place(program, in_memory_, most_wide, most_narrow);
    half_bytes_ = (std::max(most_wide, most_narrow) * sizeof(uint16_t) + kAlignment - 1) /
                  kAlignment * kAlignment;
    most_wide_ = most_wide;
    most_narrow_ = most_narrow;
  }

  // One thread's part of a run.
  class Worker {
   public:
    explicit Worker(const Runner& runner) : runner_(runner) {
      const auto& program = runner.program_;
      auto* memory = scratch(runner.places_.bytes + runner.half_bytes_);
      halves_ = memory + runner.places_.bytes;
      at_.resize(program.values.size());
      for (size_t i = 0; i < at_.size(); ++i) at_[i] = memory + runner.places_.offset[i];
      for (size_t i = 0; i < program.inputs.size(); ++i) {
        if (runner.single_[i])
          load(i, 0, count(program.inputs[i], runner.most_wide_, runner.most_narrow_));
      }
    }

    void block(const Block& block) {
      const auto& program = runner_.program_;
      for (size_t i = 0; i < program.inputs.size(); ++i) {
        if (runner_.single_[i]) continue;
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
      bool wide = runner_.program_.values[port.value].extent == Extent::wide;
      return wide ? block.first_wide : block.first_row;
    }
    size_t count(const Port& port, size_t wide, size_t narrow) const {
      return runner_.program_.values[port.value].extent == Extent::wide ? wide : narrow;
    }
    std::byte* memory_of(size_t output, size_t element) const {
      return static_cast<std::byte*>(runner_.outputs_[output]) +
             element * item_bytes(runner_.program_, runner_.program_.outputs[output]);
    }

    void load(size_t i, size_t begin, size_t length) {
      const auto& port = runner_.program_.inputs[i];
      const auto& source = runner_.sources_[i];
      size_t item = item_bytes(runner_.program_, port);
      const void* from = static_cast<const std::byte*>(source.data) + begin * item;
      if (!runner_.dense_[i]) {
        void* to = port.half ? halves_ : at_[port.value];
        gather(runner_.layouts_[i], source.data, item, begin, length, to);
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
      for (const auto& step : runner_.program_.steps) {
        bool wide = runner_.program_.values[step.out].extent == Extent::wide;
        size_t length = wide ? block.wide : block.rows;
        const void* a = step.a < 0 ? nullptr : at_[step.a];
        void* out = at_[step.out];
        if (step.row_kernel != nullptr) {
          step.row_kernel(a, out, block.rows, block.wide / block.rows);
        } else {
          step.kernel(a, step.b < 0 ? nullptr : at_[step.b], step.c < 0 ? nullptr : at_[step.c],
                      out, length, step.immediate);
        }
        if (step.round != nullptr) step.round(out, nullptr, nullptr, out, length, 0);
      }
    }

    void store(size_t i, size_t begin, size_t length) {
      const auto& port = runner_.program_.outputs[i];
      auto* to = memory_of(i, begin);
      if (port.half) {
        instructions()->narrow[static_cast<int>(*port.half)](at_[port.value], nullptr, nullptr, to,
                                                             length, 0);
      } else if (at_[port.value] != to) {
        std::memcpy(to, at_[port.value], length * item_bytes(runner_.program_, port));
      }
    }

    const Runner& runner_;
    std::vector<void*> at_;
    std::byte* halves_;
  };

 private:
  const Program& program_;
  std::span<const Source> sources_;
  std::span<void* const> outputs_;
  std::vector<Layout> layouts_;
  std::vector<bool> dense_;
  std::vector<bool> single_;
  std::vector<bool> in_memory_;
  Places places_;
  size_t half_bytes_ = 0;
  size_t most_wide_ = 0;
  size_t most_narrow_ = 0;
};

// Does blocks, shared among threads where there is enough to do.
template <typename BlockAt>
void run_blocks(const Runner& runner, size_t blocks, double work, BlockAt&& block_at) {
  auto part = [&](size_t begin, size_t end) {
    Runner::Worker worker(runner);
    for (size_t i = begin; i < end; ++i) worker.block(block_at(i));
  };
  if (work < kShared || blocks < 2) return part(0, blocks);
  // Small enough that a thread which comes late holds nobody up.
  size_t parts = std::clamp(static_cast<size_t>(work / kShared), size_t{2}, size_t{64});
  parts = std::min(parts, blocks);
  threads::share(parts, [&](size_t i) { part(blocks * i / parts, blocks * (i + 1) / parts); });
}

// Rows of which each is longer than a part: the parts are reduced on their own, and then what came
// of them.
void run_parts(const Program& program, std::span<const Source> sources,
               std::span<void* const> outputs, size_t rows, size_t columns, double work) {
  size_t parts = (columns + kPart - 1) / kPart;
  // The reductions as they are before they are rounded to halves, a number for each part.
  Program divided = program;
  std::vector<std::vector<std::byte>> reduced;
  std::vector<void*> memory;
  for (size_t i = 0; i < program.outputs.size(); ++i) {
    auto& output = divided.outputs[i];
    bool narrow = program.values[output.value].extent == Extent::narrow;
    if (narrow) output.half.reset();
    reduced.emplace_back(narrow ? rows * parts * item_bytes(divided, output) : 0);
    memory.push_back(narrow ? reduced.back().data() : outputs[i]);
  }
  for (auto& step : divided.steps) {
    if (step.row_kernel != nullptr) step.round = nullptr;
  }
  Runner runner(divided, sources, memory, kPart, 1);
  run_blocks(runner, rows * parts, work, [&](size_t i) {
    size_t begin = i % parts * kPart;
    return Block{i / parts * columns + begin, std::min(kPart, columns - begin), i, 1};
  });
  for (size_t i = 0; i < program.outputs.size(); ++i) {
    const auto& output = program.outputs[i];
    if (program.values[output.value].extent == Extent::wide) continue;
    auto step = std::ranges::find(program.steps, output.value, &Step::out);
    if (output.half) {
      std::vector<float> whole(rows);
      step->row_kernel(reduced[i].data(), whole.data(), rows, parts);
      instructions()->narrow[static_cast<int>(*output.half)](whole.data(), nullptr, nullptr,
                                                             outputs[i], rows, 0);
    } else {
      step->row_kernel(reduced[i].data(), outputs[i], rows, parts);
    }
  }
}

}  // namespace

bool Program::has_rows() const {
  return std::ranges::any_of(values, [](auto& value) { return value.extent == Extent::narrow; });
}

bool Program::rows_divide() const {
  return std::ranges::all_of(steps, [&](const Step& step) {
    if (values[step.out].extent == Extent::wide) {
      return step.row_kernel == nullptr && values[step.a].extent == Extent::wide;
    }
    return step.row_kernel != nullptr;
  });
}

size_t item_bytes(const Program& program, const Port& port) {
  return port.half ? sizeof(uint16_t) : size_of(program.values[port.value].type);
}

size_t largest_row(const Program& program) {
  size_t item = 0;
  for (const auto& value : program.values) {
    if (value.extent == Extent::wide) item += size_of(value.type);
  }
  return kScratch / std::max(item, size_t{1});
}

bool may_overwrite(const Program& program, size_t input, size_t output) {
  const auto& from = program.inputs[input];
  const auto& to = program.outputs[output];
  if (item_bytes(program, from) != item_bytes(program, to)) return false;
  if (program.values[from.value].extent != program.values[to.value].extent) return false;
  // Halves are written when all is done, and read before anything is.
  if (to.half) return from.half.has_value();
  for (size_t i = program.steps.size(); i-- > 0;) {
    const auto& step = program.steps[i];
    if (step.out == to.value) return step.kernel != nullptr;
    if (step.a == from.value || step.b == from.value || step.c == from.value)
      return from.half.has_value();
  }
  return false;
}

void run(const Program& program, std::span<const Source> sources, std::span<void* const> outputs,
         size_t rows, size_t columns) {
  if (rows == 0 || columns == 0) return;
  double work = program.cost * static_cast<double>(rows) * static_cast<double>(columns);
  if (program.has_rows() && columns > kPart && program.rows_divide()) {
    return run_parts(program, sources, outputs, rows, columns, work);
  }
  // Without rows, each element is one.
  if (!program.has_rows()) {
    rows *= columns;
    columns = 1;
  }
  size_t step = std::min(rows, std::max(size_t{1}, (columns == 1 ? 1 : 2) * kBlock / columns));
  Runner runner(program, sources, outputs, step * columns, step);
  run_blocks(runner, (rows + step - 1) / step, work, [&](size_t i) {
    size_t first = i * step;
    size_t count = std::min(step, rows - first);
    return Block{first * columns, count * columns, first, count};
  });
}

}  // namespace davit::kernels
