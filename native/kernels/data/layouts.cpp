// Tensors that are laid out anew.
#include <mlx/allocator.h>

#include <algorithm>

#include "kernels/data/copy.h"
#include "kernels/data/primitives.h"
#include "kernels/thresholds.h"

namespace davit::kernels {

namespace mx = mlx::core;

namespace {

void copy_into(const mx::array& from, std::byte* to, const Strides& strides) {
  copy_elements(from.shape(), from.data<std::byte>(),
                {from.strides().begin(), from.strides().end()}, to, strides, from.itemsize());
}

// Where an element lies in a tensor of such strides.
std::byte* element(mx::array& array, const Strides& strides, size_t axis, int64_t index) {
  return array.data<std::byte>() + strides[axis] * index * static_cast<int64_t>(array.itemsize());
}

// Whether a Contiguous leaves a tensor as it is that lies column by column. It does not tell, and
// libmlx does not export what it takes to make another one to compare it with.
bool allows_any_order(mx::Primitive& primitive) {
  static const mx::array one = mx::contiguous(mx::array(0.0f), true, primitive.stream());
  return primitive.is_equivalent(one.primitive());
}

// Whether a tensor can be seen in another shape where it lies: the new dimensions fill, one after
// the other, those that one stride steps through.
bool is_view(const mx::array& array, const mx::Shape& shape) {
  std::vector<int64_t> runs;
  int64_t last = 0;
  for (size_t i = 0; i < array.ndim(); ++i) {
    int axis = static_cast<int>(i);
    int64_t size = array.shape(axis);
    int64_t stride = array.strides(axis);
    if (size == 1) continue;
    if (!runs.empty() && last == stride * size) {
      runs.back() *= size;
    } else {
      runs.push_back(size);
    }
    last = stride;
  }
  size_t run = 0;
  int64_t left = runs.empty() ? 1 : runs[0];
  for (int64_t size : shape) {
    if (size == 1) continue;
    while (left == 1 && run + 1 < runs.size()) left = runs[++run];
    if (left % size != 0) return false;
    left /= size;
  }
  return true;
}

}  // namespace

bool contiguous(mx::Primitive& original, const std::vector<mx::array>& inputs, mx::array& output) {
  const auto& input = inputs[0];
  if (input.size() < kLeastMoved || input.flags().row_contiguous) return false;
  if (allows_any_order(original) && input.flags().col_contiguous) return false;
  output.set_data(mx::allocator::malloc(output.nbytes()));
  copy_into(input, output.data<std::byte>(), row_strides(output.shape()));
  return true;
}

bool reshape(mx::Primitive&, const std::vector<mx::array>& inputs, mx::array& output) {
  const auto& input = inputs[0];
  if (input.size() < kLeastMoved || input.flags().row_contiguous) return false;
  if (is_view(input, output.shape())) return false;
  output.set_data(mx::allocator::malloc(output.nbytes()));
  copy_into(input, output.data<std::byte>(), row_strides(input.shape()));
  return true;
}

bool concatenate(mx::Primitive& original, const std::vector<mx::array>& inputs, mx::array& output) {
  if (output.size() < kLeastMoved) return false;
  int axis = static_cast<mx::Concatenate&>(original).state();
  if (axis < 0) axis += static_cast<int>(output.ndim());
  output.set_data(mx::allocator::malloc(output.nbytes()));
  auto strides = row_strides(output.shape());
  int64_t place = 0;
  for (const auto& input : inputs) {
    copy_into(input, element(output, strides, static_cast<size_t>(axis), place), strides);
    place += input.shape(axis);
  }
  return true;
}

bool pad(mx::Primitive& original, const std::vector<mx::array>& inputs, mx::array& output) {
  const auto& value = inputs[1];
  if (output.size() < kLeastMoved || value.dtype() != output.dtype() || value.size() != 1) {
    return false;
  }
  auto [axes, low, high] = static_cast<mx::Pad&>(original).state();
  output.set_data(mx::allocator::malloc(output.nbytes()));
  fill_elements(output.data<std::byte>(), output.size(), value.data<std::byte>(),
                output.itemsize());
  auto strides = row_strides(output.shape());
  auto* first = output.data<std::byte>();
  for (size_t i = 0; i < axes.size(); ++i) {
    int axis = axes[i] < 0 ? axes[i] + static_cast<int>(output.ndim()) : axes[i];
    first += strides[static_cast<size_t>(axis)] * low[static_cast<int>(i)] *
             static_cast<int64_t>(output.itemsize());
  }
  copy_into(inputs[0], first, strides);
  return true;
}

}  // namespace davit::kernels
