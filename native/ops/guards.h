// What is done in lowering so that values which are known only when a program runs cannot crash
// MLX.
#pragma once

#include "ops/registry.h"

namespace davit {

// An axis counted from 0.
int normal_axis(int axis, const mx::array& a);

// The attribute `axes`, or every axis of the first operand where it is absent.
std::vector<int> axes_or_all(const OpCall& call);

// Clamps indices into an axis into range, in their own dtype and without a cast. Negative ones
// count from the end, as in MLX. `extent` is how many elements are read or written from each index
// on.
mx::array clamp_indices(const mx::array& indices, int axis_size, int extent, mx::Stream s);

// Clamps indices that do not count from the end: negative ones become 0.
mx::array clamp_unwrapped(const mx::array& indices, int axis_size, int extent, mx::Stream s);

// Clamped indices of the matrices that a batch holds, from an operand that may be absent.
std::optional<mx::array> matrix_indices(const OpCall& call, size_t operand, const mx::array& batch);

// The attribute `sorted_indices`, a hint. Gradients do without it: MLX's take the operand without
// indices to have as many matrices as there are indices.
bool sorted_indices(const OpCall& call);

// Zeros in place of a sum over nothing, which was built but is never computed: MLX's kernels divide
// by sizes, and its reductions may never end.
mx::array zeros_for(const mx::array& result, mx::Stream s);

// The same in place of a result that is empty.
mx::array unless_empty(const mx::array& result, mx::Stream s);

}  // namespace davit
