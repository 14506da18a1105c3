#include "kernels/places.h"

#include <algorithm>

namespace davit::kernels {

namespace {

size_t bytes_of(const Value& value, size_t wide, size_t narrow) {
  size_t count = value.extent == Extent::wide ? wide : narrow;
  return (count * size_of(value.type) + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

Places place(const Program& program, const std::vector<bool>& in_memory, size_t wide,
             size_t narrow) {
  Places places{std::vector<size_t>(program.values.size(), 0), 0};
  std::vector<int> last(program.values.size(), -1);
  int steps = static_cast<int>(program.steps.size());
  for (int i = 0; i < steps; ++i) {
    for (int operand : {program.steps[i].a, program.steps[i].b, program.steps[i].c}) {
      if (operand >= 0) last[operand] = i;
    }
  }
  for (const auto& output : program.outputs) last[output.value] = steps;
  struct Free {
    size_t offset;
    size_t bytes;
  };
  std::vector<Free> free;
  auto take = [&](int value) {
    if (in_memory[value]) return;
    size_t bytes = bytes_of(program.values[value], wide, narrow);
    auto fits = std::ranges::find(free, bytes, &Free::bytes);
    if (fits == free.end()) {
      places.offset[value] = places.bytes;
      places.bytes += bytes;
    } else {
      places.offset[value] = fits->offset;
      free.erase(fits);
    }
  };
  for (const auto& input : program.inputs) take(input.value);
  for (int i = 0; i < steps; ++i) {
    const auto& step = program.steps[i];
    // An instruction may write over an operand, but for those that change the number of elements.
    auto release = [&] {
      for (int operand : {step.a, step.b, step.c}) {
        // Inputs keep their place: numbers that are the same for all blocks are put there once.
        bool input = operand < static_cast<int>(program.inputs.size());
        if (operand < 0 || input || in_memory[operand] || last[operand] != i) continue;
        last[operand] = -1;  // it may be another operand, too
        free.push_back({places.offset[operand], bytes_of(program.values[operand], wide, narrow)});
      }
    };
    bool same = step.kernel != nullptr;
    for (int operand : {step.a, step.b, step.c}) {
      if (operand >= 0 &&
          size_of(program.values[operand].type) != size_of(program.values[step.out].type)) {
        same = false;
      }
    }
    if (same) release();
    take(step.out);
    if (!same) release();
  }
  return places;
}

}  // namespace davit::kernels
