#include "kernels/program.h"

#include <algorithm>

#include "kernels/thresholds.h"

namespace davit::kernels {

bool Program::has_rows() const {
  return std::ranges::any_of(values, [](auto& value) { return value.extent == Extent::narrow; });
}

bool Program::rows_divide() const {
  return std::ranges::all_of(steps, [&](const Step& step) {
    if (values[step.out].extent == Extent::wide) {
      return step.row_kernel == nullptr && values[step.a].extent == Extent::wide;
    }
    return step.row_kernel != nullptr && step.of_parts;
  });
}

size_t item_bytes(const Program& program, const Port& port) {
  return port.half ? sizeof(uint16_t) : size_of(program.values[port.value].type);
}

size_t largest_tile(const Program& program) {
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

}  // namespace davit::kernels
