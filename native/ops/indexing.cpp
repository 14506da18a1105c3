// Reading and writing parts of a tensor. Indices that are operands are clamped into range.
#include <algorithm>

#include "ops/guards.h"

namespace davit {

namespace {

using SliceUpdate = mx::array (*)(const mx::array&, const mx::array&, mx::Shape, mx::Shape,
                                  mx::Shape, mx::StreamOrDevice);
using Scatter = mx::array (*)(const mx::array&, const Arrays&, const mx::array&,
                              const std::vector<int>&, mx::StreamOrDevice);
using AxisScatter = mx::array (*)(const mx::array&, const mx::array&, const mx::array&, int,
                                  mx::StreamOrDevice);

struct SliceUpdateRow {
  const char* name;
  SliceUpdate op;
};

struct ScatterRow {
  const char* name;
  Scatter op;
};

struct AxisScatterRow {
  const char* name;
  AxisScatter op;
};

const SliceUpdateRow kSliceUpdates[] = {
    {"slice_update", mx::slice_update},           {"slice_update_add", mx::slice_update_add},
    {"slice_update_prod", mx::slice_update_prod}, {"slice_update_max", mx::slice_update_max},
    {"slice_update_min", mx::slice_update_min},
};

const ScatterRow kScatters[] = {
    {"scatter", mx::scatter},           {"scatter_add", mx::scatter_add},
    {"scatter_prod", mx::scatter_prod}, {"scatter_max", mx::scatter_max},
    {"scatter_min", mx::scatter_min},
};

const AxisScatterRow kAxisScatters[] = {
    {"put_along_axis", mx::put_along_axis},
    {"scatter_add_axis", mx::scatter_add_axis},
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

int normal_axis(int axis, const mx::array& a) {
  return axis < 0 ? axis + static_cast<int>(a.ndim()) : axis;
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

mx::array take(const OpCall& call) {
  auto s = call.stream();
  auto a = call.has("axis") ? call[0] : mx::flatten(call[0], s);
  int axis = call.integer("axis", 0);
  return mx::take(a, clamp_indices(call[1], a.shape(axis), 1, s), axis, s);
}

mx::array take_along_axis(const OpCall& call) {
  int axis = call.integer("axis");
  auto indices = clamp_indices(call[1], call[0].shape(axis), 1, call.stream());
  return mx::take_along_axis(call[0], indices, axis, call.stream());
}

// Index operands from the second on: broadcast together, and clamped so that `extent` fits.
Arrays clamp_all(const OpCall& call, size_t first, const std::vector<int>& axes,
                 const mx::Shape& extent, size_t skip) {
  Arrays indices;
  for (size_t i = first; i < call.operand_count(); ++i) indices.push_back(call[i]);
  auto s = call.stream();
  indices = mx::broadcast_arrays(indices, s);
  for (size_t i = 0; i < indices.size() && i < axes.size(); ++i) {
    int axis = axes[i];
    indices[i] = clamp_indices(indices[i], call[0].shape(axis), extent.at(skip + axis), s);
  }
  return indices;
}

// The attribute `axes`, counted from 0, as MLX wants them here.
std::vector<int> normal_axes(const OpCall& call) {
  auto axes = call.integers("axes");
  for (int& axis : axes) axis = normal_axis(axis, call[0]);
  return axes;
}

mx::array gather(const OpCall& call) {
  auto axes = normal_axes(call);
  auto sizes = call.shape("slice_sizes");
  return mx::gather(call[0], clamp_all(call, 1, axes, sizes, 0), axes, sizes, call.stream());
}

mx::array scatter(Scatter op, const OpCall& call) {
  auto axes = normal_axes(call);
  const auto& updates = call[1].shape();
  auto indices = clamp_all(call, 2, axes, updates, updates.size() - call[0].ndim());
  return op(call[0], indices, call[1], axes, call.stream());
}

mx::array trace(const OpCall& call) {
  auto s = call.stream();
  int offset = call.integer("offset", 0);
  int row = call.integer("axis1", 0), column = call.integer("axis2", 1);
  auto out = mx::trace(call[0], offset, row, column, call.dtype("dtype", call[0].dtype()), s);
  // MLX's sum over an empty diagonal may not end.
  return mx::diagonal(call[0], offset, row, column, s).size() == 0 ? zeros_for(out, s) : out;
}

}  // namespace

void add_indexing_ops(OpTable& table) {
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
  table.add1("take", take);
  table.add1("take_along_axis", take_along_axis);
  for (const auto& row : kAxisScatters) {
    table.add1(row.name, [op = row.op](const OpCall& call) {
      int axis = call.integer("axis");
      auto indices = clamp_indices(call[1], call[0].shape(axis), 1, call.stream());
      return op(call[0], indices, call[2], axis, call.stream());
    });
  }
  table.add1("gather", gather);
  for (const auto& row : kScatters) {
    table.add1(row.name, [op = row.op](const OpCall& call) { return scatter(op, call); });
  }
  table.add1("masked_scatter", [](const OpCall& call) {
    return mx::masked_scatter(call[0], call[1], call[2], call.stream());
  });
  table.add1("diag", [](const OpCall& call) {
    return mx::diag(call[0], call.integer("k", 0), call.stream());
  });
  table.add1("diagonal", [](const OpCall& call) {
    return mx::diagonal(call[0], call.integer("offset", 0), call.integer("axis1", 0),
                        call.integer("axis2", 1), call.stream());
  });
  table.add1("trace", trace);
}

}  // namespace davit
