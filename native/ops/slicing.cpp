// Parts of a tensor, read and written, that begin where attributes or an operand say. Starts that
// are operands are clamped into range.
#include <algorithm>

#include "ops/guards.h"

namespace davit {

namespace {

using SliceUpdate = mx::array (*)(const mx::array&, const mx::array&, mx::Shape, mx::Shape,
                                  mx::Shape, mx::StreamOrDevice);
struct SliceUpdateRow {
  const char* name;
  SliceUpdate op;
};

const SliceUpdateRow kSliceUpdates[] = {
    {"slice_update", mx::slice_update},           {"slice_update_add", mx::slice_update_add},
    {"slice_update_prod", mx::slice_update_prod}, {"slice_update_max", mx::slice_update_max},
    {"slice_update_min", mx::slice_update_min},
};

struct Bounds {
  mx::Shape start, stop, strides;
};

// The attributes of a static slice. A stride beyond the axis is shortened to it: it takes one
// element either way, and MLX adds it to a size in 32 bits.
Bounds bounds(const OpCall& call) {
  const auto& shape = call[0].shape();
  auto strides = call.has("strides") ? call.shape("strides") : mx::Shape(shape.size(), 1);
  for (size_t i = 0; i < std::min(strides.size(), shape.size()); ++i) {
    int most = std::max(shape[i], 1);
    strides[i] = std::clamp(strides[i], -most, most);
  }
  return {call.shape("start"), call.shape("stop"), strides};
}

// Clamps one start for each axis, so that `extent` elements of it are left.
mx::array clamp_starts(const OpCall& call, const mx::array& starts, const std::vector<int>& axes,
                       const mx::Shape& extent) {
  if (axes.empty()) return starts;
  auto s = call.stream();
  const auto& a = call[0];
  if (axes.size() == 1) {
    int axis = normal_axis(axes[0], a);
    return clamp_unwrapped(starts, a.shape(axis), extent[axis], s);
  }
  Arrays clamped;
  for (int i = 0; i < static_cast<int>(axes.size()); ++i) {
    int axis = normal_axis(axes[i], a);
    clamped.push_back(clamp_unwrapped(mx::slice(starts, mx::Shape{i}, mx::Shape{i + 1}, s),
                                      a.shape(axis), extent[axis], s));
  }
  return mx::concatenate(clamped, 0, s);
}

mx::array dynamic_slice(const OpCall& call) {
  auto axes = call.integers("axes");
  auto size = call.shape("slice_size");
  return mx::slice(call[0], clamp_starts(call, call[1], axes, size), axes, size, call.stream());
}

// The update is broadcast to the tensor's rank first: what it lacks it covers from the start, but
// for the axes that have a start, of which it then covers one element.
mx::array dynamic_slice_update(const OpCall& call) {
  auto s = call.stream();
  const auto& a = call[0];
  auto axes = call.integers("axes");
  auto extent = call[1].shape();
  size_t missing = a.ndim() - call[1].ndim();
  extent.insert(extent.begin(), a.shape().begin(), a.shape().begin() + missing);
  for (int axis : axes) {
    if (normal_axis(axis, a) < static_cast<int>(missing)) extent[normal_axis(axis, a)] = 1;
  }
  auto update = mx::broadcast_to(mx::astype(call[1], a.dtype(), s), extent, s);
  if (update.size() == 0) return a;
  return mx::slice_update(a, update, clamp_starts(call, call[2], axes, extent), axes, s);
}

}  // namespace

void add_slicing_ops(OpTable& table) {
  table.add1("slice", [](const OpCall& call) {
    auto [start, stop, strides] = bounds(call);
    return mx::slice(call[0], start, stop, strides, call.stream());
  });
  for (const auto& row : kSliceUpdates) {
    table.add1(row.name, [op = row.op](const OpCall& call) {
      auto [start, stop, strides] = bounds(call);
      return op(call[0], call[1], start, stop, strides, call.stream());
    });
  }
  table.add1("dynamic_slice", dynamic_slice);
  table.add1("dynamic_slice_update", dynamic_slice_update);
}

}  // namespace davit
