#include "kernels/worker.h"

#include <cstring>

#include "kernels/space.h"

namespace davit::kernels {

namespace {

// Narrow ports have no middle.
Tile extent(bool wide, Tile tile) {
  if (!wide) {
    tile.first_middle = 0;
    tile.middles = 1;
  }
  return tile;
}

}  // namespace

Worker::Worker(const Execution& execution, std::span<const void* const> inputs,
               std::span<void* const> outputs, std::byte* memory)
    : of_(execution),
      program_(execution.program()),
      inputs_(inputs),
      outputs_(outputs),
      at_(program_.values.size()),
      halves_(memory + execution.places_.bytes) {
  for (size_t i = 0; i < at_.size(); ++i) at_[i] = memory + of_.places_.offset[i];
  load_same();
}

void Worker::load_same() {
  Tile greatest{0, of_.tile_outers_, 0, of_.tile_middles_, 0, of_.tile_inners_};
  for (size_t i = 0; i < program_.inputs.size(); ++i) {
    if (of_.inputs_[i].same) load(i, greatest);
  }
}

void Worker::run(const Tile& tile) {
  for (size_t i = 0; i < program_.inputs.size(); ++i) {
    if (!of_.inputs_[i].same) load(i, tile);
  }
  for (size_t i = 0; i < program_.outputs.size(); ++i) {
    const auto& output = program_.outputs[i];
    if (!output.half && of_.outputs_[i].direct) at_[output.value] = memory_of(i, tile);
  }
  steps(tile);
  for (size_t i = 0; i < program_.outputs.size(); ++i) store(i, tile);
}

size_t Worker::count(bool wide, const Tile& tile) const {
  return tile.outers * tile.inners * (wide ? tile.middles : 1);
}
// The first element of a port that lies without gaps.
size_t Worker::first(bool wide, const Tile& tile) const {
  auto inner = static_cast<size_t>(of_.dimensions_.inner);
  if (wide) {
    return (tile.first_outer * of_.middles_ + tile.first_middle) * inner + tile.first_inner;
  }
  size_t row = tile.first_outer;
  if (of_.divided_) {
    row =
        row * quotient_up(of_.middles_, of_.tile_middles_) + tile.first_middle / of_.tile_middles_;
  }
  return row * inner + tile.first_inner;
}
std::byte* Worker::memory_of(size_t output, const Tile& tile) const {
  return static_cast<std::byte*>(outputs_[output]) +
         first(of_.outputs_[output].wide, tile) * item_bytes(program_, program_.outputs[output]);
}
void Worker::load(size_t i, const Tile& tile) {
  const auto& port = program_.inputs[i];
  const auto& access = of_.inputs_[i];
  size_t item = item_bytes(program_, port);
  const void* from = inputs_[i];
  if (!access.direct) {
    void* to = port.half ? halves_ : at_[port.value];
    gather(of_.dimensions_, access.walk, extent(access.wide, tile), from, item, to);
    from = to;
  } else {
    from = static_cast<const std::byte*>(from) + first(access.wide, tile) * item;
    // Nothing writes there: may_overwrite() has seen to it.
    if (!port.half) at_[port.value] = const_cast<void*>(from);
  }
  if (port.half) {
    instructions()->widen[static_cast<int>(*port.half)](from, nullptr, nullptr, at_[port.value],
                                                        count(access.wide, tile), 0);
  }
}

void Worker::steps(const Tile& tile) {
  for (const auto& step : program_.steps) {
    bool wide = program_.values[step.out].extent == Extent::wide;
    size_t length = count(wide, tile);
    const void* a = step.a < 0 ? nullptr : at_[step.a];
    void* out = at_[step.out];
    if (step.row_kernel != nullptr) {
      step.row_kernel(a, out, tile.outers, tile.middles, tile.inners);
    } else {
      step.kernel(a, step.b < 0 ? nullptr : at_[step.b], step.c < 0 ? nullptr : at_[step.c], out,
                  length, step.immediate);
    }
    if (step.round != nullptr) step.round(out, nullptr, nullptr, out, length, 0);
  }
}

void Worker::store(size_t i, const Tile& tile) {
  const auto& port = program_.outputs[i];
  const auto& access = of_.outputs_[i];
  size_t length = count(access.wide, tile);
  const void* from = at_[port.value];
  auto* to = memory_of(i, tile);
  if (port.half) {
    auto* narrowed = access.direct ? to : halves_;
    instructions()->narrow[static_cast<int>(*port.half)](from, nullptr, nullptr, narrowed, length,
                                                         0);
    from = narrowed;
  }
  if (!access.direct) {
    scatter(of_.dimensions_, access.walk, extent(access.wide, tile), from,
            item_bytes(program_, port), outputs_[i]);
  } else if (from != to) {
    std::memcpy(to, from, length * item_bytes(program_, port));
  }
}

}  // namespace davit::kernels
