#include "kernels/fused.h"

#include <mlx/allocator.h>

#include <algorithm>
#include <stdexcept>

namespace davit::kernels {

namespace mx = mlx::core;

namespace {

// How an array lies in memory where it is broadcast to a shape.
Strides broadcast_strides(const mx::array& array, const mx::Shape& shape) {
  Strides strides(shape.size(), 0);
  size_t missing = shape.size() - array.ndim();
  for (size_t i = 0; i < array.ndim(); ++i) {
    int axis = static_cast<int>(i);
    if (array.shape(axis) != 1) strides[missing + i] = array.strides(axis);
  }
  return strides;
}

Space space_of(const mx::Shape& shape, Axes reduced) {
  Space space{{shape.begin(), shape.end()}, std::vector<bool>(shape.size())};
  for (size_t i = 0; i < shape.size(); ++i) space.reduced[i] = (reduced >> i & 1) != 0;
  return space;
}

}  // namespace

Fused::Fused(mx::Stream stream, Program program, const mx::Shape& shape, Axes reduced)
    : Primitive(stream),
      program_(std::move(program)),
      shape_(shape),
      narrow_(without(shape, reduced)),
      space_(space_of(shape, reduced)) {}

// Whether all elements can be taken in the order in which they lie in memory, whatever order that
// is.
bool Fused::flat(const std::vector<mx::array>& inputs) const {
  if (program_.has_rows()) return false;
  const mx::array* first = nullptr;
  for (const auto& input : inputs) {
    if (input.size() == 1) continue;
    if (input.shape() != shape_) return false;
    if (!input.flags().contiguous || input.data_size() != input.size()) return false;
    if (first != nullptr && first->strides() != input.strides()) return false;
    first = &input;
  }
  return first != nullptr && !first->flags().row_contiguous;
}

// How the inputs lie in memory; `flat`: all alike, without gaps.
Execution Fused::execution(const std::vector<mx::array>& inputs, bool flat) const {
  std::vector<Strides> strides;
  strides.reserve(inputs.size() + program_.outputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (flat) {
      strides.push_back({inputs[i].size() > 1 ? 1 : 0});
    } else {
      bool wide = program_.is_wide(program_.inputs[i]);
      strides.push_back(broadcast_strides(inputs[i], wide ? shape_ : narrow_));
    }
  }
  if (!flat) return {program_, space_, std::move(strides)};
  int64_t count = 1;
  for (int64_t size : space_.shape) count *= size;
  return {program_, {{count}, {false}}, std::move(strides)};
}

void Fused::eval_cpu(const std::vector<mx::array>& inputs, std::vector<mx::array>& outputs) {
  bool row_by_row = std::ranges::all_of(inputs, [](const mx::array& input) {
    return input.flags().row_contiguous || input.size() == 1;
  });
  bool alike = !row_by_row && flat(inputs);
  const mx::array* order = nullptr;
  std::vector<const void*> sources;
  sources.reserve(inputs.size());
  for (const auto& input : inputs) {
    sources.push_back(input.data<std::byte>());
    if (input.size() > 1) order = &input;
  }
  std::vector<void*> memory;
  memory.reserve(outputs.size());
  uint32_t taken = 0;
  for (size_t o = 0; o < outputs.size(); ++o) {
    auto& output = outputs[o];
    bool donated = false;
    for (size_t i = 0; i < inputs.size() && !donated; ++i) {
      const auto& input = inputs[i];
      if ((taken >> i & 1) != 0 || !input.is_donatable()) continue;
      if (input.shape() != output.shape() || input.data_size() != input.size()) continue;
      if (!alike && !input.flags().row_contiguous) continue;
      if (input.buffer_size() > output.nbytes() + (16 << 10)) continue;
      if (!may_overwrite(program_, i, o)) continue;
      output.copy_shared_buffer(input);
      taken |= 1u << i;
      donated = true;
    }
    if (!donated && alike) {
      output.set_data(mx::allocator::malloc(output.nbytes()), order->data_size(), order->strides(),
                      order->flags());
    } else if (!donated) {
      output.set_data(mx::allocator::malloc(output.nbytes()));
    }
    memory.push_back(output.data<std::byte>());
  }
  if (row_by_row) {
    // What most runs have in common is found out once.
    if (!usual_) usual_.emplace(execution(inputs, false));
    usual_->run(sources, memory);
  } else {
    execution(inputs, alike).run(sources, memory);
  }
}

std::unique_ptr<Repetition> Fused::repetition(const std::vector<mx::array>& inputs,
                                              const std::vector<mx::array>& outputs) const {
  auto shared = std::make_shared<const Execution>(execution(inputs, false));
  if (!shared->is_small()) return nullptr;
  std::vector<const void*> sources;
  for (const auto& input : inputs) sources.push_back(input.data<std::byte>());
  std::vector<void*> memory;
  for (auto output : outputs) memory.push_back(output.data<std::byte>());
  return std::make_unique<Repetition>(std::move(shared), std::move(sources), std::move(memory));
}

void Fused::eval_gpu(const std::vector<mx::array>&, std::vector<mx::array>&) {
  throw std::runtime_error("a fused kernel is evaluated on a CPU stream");
}

}  // namespace davit::kernels
