#include "kernels/fused.h"

#include <mlx/allocator.h>

#include <algorithm>
#include <stdexcept>

#include "kernels/layout.h"

namespace davit::kernels {

namespace mx = mlx::core;

namespace {

// How an array lies in memory where it is broadcast to a shape.
Layout broadcast_layout(const mx::array& array, const mx::Shape& shape) {
  Layout layout{{shape.begin(), shape.end()}, std::vector<int64_t>(shape.size(), 0)};
  size_t missing = shape.size() - array.ndim();
  for (size_t i = 0; i < array.ndim(); ++i) {
    if (array.shape(static_cast<int>(i)) != 1) {
      layout.strides[missing + i] = array.strides(static_cast<int>(i));
    }
  }
  return layout;
}

size_t product(mx::Shape::const_iterator begin, mx::Shape::const_iterator end) {
  size_t size = 1;
  for (; begin != end; ++begin) size *= static_cast<size_t>(*begin);
  return size;
}

}  // namespace

mx::Shape Space::narrow() const {
  mx::Shape result = shape;
  std::fill(result.begin() + static_cast<std::ptrdiff_t>(columns_from), result.end(), 1);
  return result;
}

Fused::Fused(mx::Stream stream, Program program, Space space)
    : Primitive(stream),
      program_(std::move(program)),
      space_(std::move(space)),
      narrow_(space_.narrow()),
      rows_(product(space_.shape.begin(),
                    space_.shape.begin() + static_cast<std::ptrdiff_t>(space_.columns_from))),
      columns_(product(space_.shape.begin() + static_cast<std::ptrdiff_t>(space_.columns_from),
                       space_.shape.end())) {}

// Whether all elements can be taken in the order in which they lie in memory, whatever order that
// is.
bool Fused::flat(const std::vector<mx::array>& inputs) const {
  if (program_.has_rows()) return false;
  const mx::array* first = nullptr;
  for (const auto& input : inputs) {
    if (input.size() == 1) continue;
    if (input.shape() != space_.shape) return false;
    if (!input.flags().contiguous || input.data_size() != input.size()) return false;
    if (first != nullptr && first->strides() != input.strides()) return false;
    first = &input;
  }
  return first != nullptr && !first->flags().row_contiguous;
}

// How the inputs lie in memory; `flat`: all alike, without gaps.
Execution Fused::execution(const std::vector<mx::array>& inputs, bool flat) const {
  std::vector<Layout> layouts;
  layouts.reserve(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    bool wide = program_.values[program_.inputs[i].value].extent == Extent::wide;
    if (flat && inputs[i].size() > 1) {
      layouts.push_back({{static_cast<int64_t>(rows_ * columns_)}, {1}});
    } else {
      layouts.push_back(broadcast_layout(inputs[i], wide ? space_.shape : narrow_));
    }
  }
  return {program_, layouts, rows_, columns_};
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

void Fused::eval_gpu(const std::vector<mx::array>&, std::vector<mx::array>&) {
  throw std::runtime_error("a fused kernel is evaluated on a CPU stream");
}

}  // namespace davit::kernels
