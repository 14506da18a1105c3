// Reading and writing parts of a tensor. Indices that are operands are clamped into range.
#include <algorithm>

#include "ops/guards.h"
#include "ops/masked_scatter.h"

namespace davit {

namespace {

using Scatter = mx::array (*)(const mx::array&, const Arrays&, const mx::array&,
                              const std::vector<int>&, mx::StreamOrDevice);
using AxisScatter = mx::array (*)(const mx::array&, const mx::array&, const mx::array&, int,
                                  mx::StreamOrDevice);

struct ScatterRow {
  const char* name;
  Scatter op;
};

struct AxisScatterRow {
  const char* name;
  AxisScatter op;
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

mx::array take(const OpCall& call) {
  auto s = call.stream();
  auto a = call.has("axis") ? call[0] : mx::flatten(call[0], s);
  int axis = call.has("axis") ? call.integer("axis") : 0;
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

// Whether slices of this shape are such as MLX differentiates: of one element along the axes that
// have indices, and whole along the others.
bool are_plain_slices(const mx::Shape& slices, const mx::array& a, const std::vector<int>& axes) {
  for (int axis = 0; axis < static_cast<int>(a.ndim()); ++axis) {
    bool indexed = std::find(axes.begin(), axes.end(), axis) != axes.end();
    if (slices[axis] != (indexed ? 1 : a.shape(axis))) return false;
  }
  return true;
}

// A scatter of single elements, each with an index for every axis, in place of one of slices.
mx::array scatter_elements(Scatter op, const mx::array& a, const Arrays& indices,
                           const mx::array& updates, const std::vector<int>& axes,
                           const mx::Shape& slices, mx::Stream s) {
  size_t outer = updates.ndim() - a.ndim();
  Arrays places;
  std::vector<int> all;
  for (int axis = 0; axis < static_cast<int>(a.ndim()); ++axis) {
    mx::Shape along(updates.ndim(), 1);
    along[outer + axis] = slices[axis];
    auto place = mx::reshape(mx::arange(0, slices[axis], 1, mx::int32, s), along, s);
    auto indexed = std::find(axes.begin(), axes.end(), axis);
    if (indexed != axes.end()) {
      const auto& index = indices[static_cast<size_t>(indexed - axes.begin())];
      auto shape = index.shape();
      shape.insert(shape.end(), a.ndim(), 1);
      place = mx::add(mx::reshape(mx::astype(index, mx::int32, s), shape, s), place, s);
    }
    places.push_back(mx::broadcast_to(place, updates.shape(), s));
    all.push_back(axis);
  }
  auto shape = updates.shape();
  shape.insert(shape.end(), a.ndim(), 1);
  return op(a, places, mx::reshape(updates, shape, s), all, s);
}

mx::array scatter(Scatter op, const OpCall& call) {
  auto s = call.stream();
  auto axes = normal_axes(call);
  const auto& updates = call[1];
  size_t outer = updates.ndim() - call[0].ndim();
  auto indices = clamp_all(call, 2, axes, updates.shape(), outer);
  mx::Shape slices(updates.shape().begin() + outer, updates.shape().end());
  if (call.differentiated()) {
    if (updates.size() == 0) return mx::copy(call[0], s);
    if (!are_plain_slices(slices, call[0], axes)) {
      return scatter_elements(op, call[0], indices, updates, axes, slices, s);
    }
  }
  return op(call[0], indices, updates, axes, s);
}

mx::array masked_scatter(const OpCall& call) {
  auto s = call.stream();
  if (call.differentiated()) return differentiable_masked_scatter(call[0], call[1], call[2], s);
  return mx::masked_scatter(call[0], call[1], call[2], s);
}

mx::array trace(const OpCall& call) {
  auto s = call.stream();
  int offset = call.integer("offset");
  int row = call.integer("axis1"), column = call.integer("axis2");
  auto out = mx::trace(call[0], offset, row, column, call.dtype("dtype", call[0].dtype()), s);
  // MLX's sum over an empty diagonal may not end.
  return mx::diagonal(call[0], offset, row, column, s).size() == 0 ? zeros_for(out, s) : out;
}

}  // namespace

void add_indexing_ops(OpTable& table) {
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
  table.add1("masked_scatter", masked_scatter);
  table.add1("diag", [](const OpCall& call) {
    return mx::diag(call[0], call.integer("k"), call.stream());
  });
  table.add1("diagonal", [](const OpCall& call) {
    return mx::diagonal(call[0], call.integer("offset"), call.integer("axis1"),
                        call.integer("axis2"), call.stream());
  });
  table.add1("trace", trace);
}

}  // namespace davit
