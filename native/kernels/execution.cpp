#include "kernels/execution.h"

#include <algorithm>

#include "kernels/scratch.h"
#include "kernels/share.h"
#include "kernels/thresholds.h"
#include "kernels/worker.h"

namespace davit::kernels {

namespace {

// Strides of what lies row by row without gaps; without the dimensions that are reduced, if it is
// narrow.
Strides row_by_row(const Space& space, bool wide) {
  Strides strides(space.shape.size(), 0);
  int64_t step = 1;
  for (size_t i = strides.size(); i-- > 0;) {
    if (!wide && space.reduced[i]) continue;
    strides[i] = step;
    step *= space.shape[i];
  }
  return strides;
}

// The program that reduces parts of columns.
Program without_rounding(Program program) {
  for (auto& output : program.outputs) {
    if (!program.is_wide(output)) output.half.reset();
  }
  for (auto& step : program.steps) {
    if (step.row_kernel != nullptr) step.round = nullptr;
  }
  return program;
}

}  // namespace

Execution::Execution(const Program& program, const Space& space, std::vector<Strides> strides)
    : original_(program), work_(program.cost) {
  for (const auto& output : program.outputs) {
    strides.push_back(row_by_row(space, program.is_wide(output)));
  }
  auto order = order_of(space, strides);
  dimensions_ = std::move(order.dimensions);
  outers_ = dimensions_.outers();
  middles_ = dimensions_.middles();
  work_ *= static_cast<double>(outers_ * middles_) * static_cast<double>(dimensions_.inner);
  choose_tile();

  std::vector<bool> in_memory(program.values.size(), false);
  auto add = [&](const Port& port, const Walk& walk, std::vector<Access>& accesses) {
    accesses.push_back(access_of(port, walk));
    if (accesses.back().direct && !port.half) in_memory[port.value] = true;
  };
  for (size_t i = 0; i < order.walks.size(); ++i) {
    bool input = i < program.inputs.size();
    const auto& port = input ? program.inputs[i] : program.outputs[i - program.inputs.size()];
    add(port, order.walks[i], input ? inputs_ : outputs_);
  }
  size_t narrow = tile_outers_ * tile_inners_;
  places_ = place(program, in_memory, narrow * tile_middles_, narrow);
  half_bytes_ = quotient_up(narrow * tile_middles_ * sizeof(uint16_t), kAlignment) * kAlignment;
}

void Execution::choose_tile() {
  auto inner = static_cast<size_t>(dimensions_.inner);
  bool rows = original_.has_rows();
  size_t size = middles_ * inner;
  size_t block = rows ? 2 * kBlock : kBlock;
  bool whole = size <= block;  // several outer places fit
  bool long_row = inner == 1 ? middles_ > kLongestRow : size > kTile;
  tile_middles_ = middles_;
  tile_inners_ = inner;
  if (rows && long_row && original_.rows_divide()) {
    divided_ = std::make_shared<Program>(without_rounding(original_));
    tile_inners_ = std::min(inner, kWidestTile);
    size_t part = inner == 1 ? kLongestRow : std::max(kTile / tile_inners_, kShortestPart);
    tile_middles_ = std::min(middles_, part);
  } else if (whole) {
    tile_outers_ =
        std::clamp(block / std::max(size, size_t{1}), size_t{1}, std::max(outers_, size_t{1}));
  } else if (rows) {
    tile_inners_ = std::min(inner, std::max(kTile / middles_, kNarrowestTile));
  } else if (middles_ > 1) {
    tile_middles_ = std::min(middles_, kSide);
    tile_inners_ = std::min(inner, kSide);
  } else {
    tile_inners_ = kBlock;
  }
}

Execution::Access Execution::access_of(const Port& port, const Walk& walk) const {
  auto inner = static_cast<size_t>(dimensions_.inner);
  bool wide = original_.is_wide(port);
  // Whether the tiles of what is dense are.
  bool gapless = !wide || tile_inners_ == inner || middles_ == 1;
  bool still = std::ranges::all_of(walk.outer, [](int64_t stride) { return stride == 0; }) &&
               tile_inners_ == inner && (!wide || tile_middles_ == middles_);
  bool direct = is_dense(dimensions_, walk, !wide) && gapless;
  return {walk, wide, direct, (still || is_single(walk)) && !direct};
}

size_t Execution::tiles() const {
  return quotient_up(outers_, tile_outers_) * quotient_up(middles_, tile_middles_) *
         quotient_up(static_cast<size_t>(dimensions_.inner), tile_inners_);
}

Tile Execution::tile(size_t number) const {
  auto inner = static_cast<size_t>(dimensions_.inner);
  size_t across = quotient_up(inner, tile_inners_);
  size_t down = quotient_up(middles_, tile_middles_);
  size_t j = number % across * tile_inners_;
  size_t m = number / across % down * tile_middles_;
  size_t o = number / across / down * tile_outers_;
  return {o, std::min(tile_outers_, outers_ - o), m, std::min(tile_middles_, middles_ - m),
          j, std::min(tile_inners_, inner - j)};
}

void Execution::run_tiles(std::span<const void* const> inputs,
                          std::span<void* const> outputs) const {
  auto part = [&](size_t begin, size_t end) {
    Worker worker(*this, inputs, outputs, scratch(scratch_bytes()));
    for (size_t i = begin; i < end; ++i) worker.run(tile(i));
  };
  if (work_ < kShared) return part(0, tiles());
  share_work(work_, tiles(), part);
}

bool Execution::is_small() const { return !divided_ && work_ < kShared; }

void Execution::run(std::span<const void* const> inputs, std::span<void* const> outputs) const {
  if (divided_) return run_parts(inputs, outputs);
  run_tiles(inputs, outputs);
}

// The parts of columns are reduced on their own, and then what came of them.
void Execution::run_parts(std::span<const void* const> inputs,
                          std::span<void* const> outputs) const {
  size_t parts = quotient_up(middles_, tile_middles_);
  auto inner = static_cast<size_t>(dimensions_.inner);
  size_t rows = outers_ * inner;
  std::vector<std::unique_ptr<std::byte[]>> reduced;
  std::vector<void*> memory;
  for (size_t i = 0; i < outputs.size(); ++i) {
    size_t bytes = rows * parts * item_bytes(*divided_, divided_->outputs[i]);
    bool wide = outputs_[i].wide;
    reduced.push_back(wide ? nullptr : std::make_unique_for_overwrite<std::byte[]>(bytes));
    memory.push_back(wide ? outputs[i] : reduced.back().get());
  }
  run_tiles(inputs, memory);
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs_[i].wide) continue;
    const auto& output = original_.outputs[i];
    auto step = std::ranges::find(original_.steps, output.value, &Step::out);
    if (output.half) {
      std::vector<float> whole(rows);
      step->row_kernel(reduced[i].get(), whole.data(), outers_, parts, inner);
      instructions()->narrow[static_cast<int>(*output.half)](whole.data(), nullptr, nullptr,
                                                             outputs[i], rows, 0);
    } else {
      step->row_kernel(reduced[i].get(), outputs[i], outers_, parts, inner);
    }
  }
}

}  // namespace davit::kernels
