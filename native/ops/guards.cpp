#include "ops/guards.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace davit {

namespace {

// The least and the greatest value of an integer dtype, within 64 signed bits.
std::pair<int64_t, int64_t> limits(mx::Dtype dtype) {
  int bits = 8 * static_cast<int>(mx::size_of(dtype));
  if (mx::issubdtype(dtype, mx::unsignedinteger)) {
    return {0, bits == 64 ? std::numeric_limits<int64_t>::max() : (int64_t{1} << bits) - 1};
  }
  int64_t greatest = std::numeric_limits<int64_t>::max() >> (64 - bits);
  return {-greatest - 1, greatest};
}

mx::array at_most(const mx::array& indices, int64_t bound, mx::Stream s) {
  return mx::minimum(indices, mx::array(bound, indices.dtype()), s);
}

mx::array at_least(const mx::array& indices, int64_t bound, mx::Stream s) {
  return mx::maximum(indices, mx::array(bound, indices.dtype()), s);
}

void require_integers(const mx::array& indices) {
  if (!mx::issubdtype(indices.dtype(), mx::integer)) {
    throw OpError("dtype_unsupported", "indices must be integers");
  }
}

}  // namespace

int normal_axis(int axis, const mx::array& a) {
  return axis < 0 ? axis + static_cast<int>(a.ndim()) : axis;
}

std::vector<int> axes_or_all(const OpCall& call) {
  if (call.has("axes")) return call.integers("axes");
  std::vector<int> axes(call[0].ndim());
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

mx::array clamp_indices(const mx::array& indices, int axis_size, int extent, mx::Stream s) {
  require_integers(indices);
  auto [least, greatest] = limits(indices.dtype());
  int64_t last = std::max(axis_size - extent, 0);
  if (least < 0 && extent > 1) {
    // MLX would count from the end too late: what begins near the end would pass it.
    auto wide =
        mx::astype(indices, mx::size_of(indices.dtype()) < 4 ? mx::int32 : indices.dtype(), s);
    auto size = mx::array(static_cast<int64_t>(axis_size), wide.dtype());
    auto zero = mx::array(0, wide.dtype());
    auto wrapped = mx::where(mx::less(wide, zero, s), mx::add(wide, size, s), wide, s);
    return at_least(at_most(wrapped, last, s), 0, s);
  }
  auto clamped = greatest > last ? at_most(indices, last, s) : indices;
  return least < -int64_t{axis_size} ? at_least(clamped, -int64_t{axis_size}, s) : clamped;
}

mx::array clamp_unwrapped(const mx::array& indices, int axis_size, int extent, mx::Stream s) {
  require_integers(indices);
  auto [least, greatest] = limits(indices.dtype());
  int64_t last = std::max(axis_size - extent, 0);
  auto clamped = greatest > last ? at_most(indices, last, s) : indices;
  return least < 0 ? at_least(clamped, 0, s) : clamped;
}

std::optional<mx::array> matrix_indices(const OpCall& call, size_t operand,
                                        const mx::array& batch) {
  auto indices = call.optional(operand);
  if (!indices) return indices;
  int matrices = 1;
  for (size_t axis = 0; axis + 2 < batch.ndim(); ++axis) {
    matrices *= batch.shape(static_cast<int>(axis));
  }
  auto s = call.stream();
  return mx::astype(clamp_unwrapped(*indices, matrices, 1, s), mx::uint32, s);
}

bool sorted_indices(const OpCall& call) {
  return call.flag("sorted_indices") && !call.differentiated();
}

mx::array zeros_for(const mx::array& result, mx::Stream s) {
  return mx::zeros(result.shape(), result.dtype(), s);
}

mx::array unless_empty(const mx::array& result, mx::Stream s) {
  return result.size() == 0 ? zeros_for(result, s) : result;
}

}  // namespace davit
