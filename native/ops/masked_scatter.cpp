#include "ops/masked_scatter.h"

#include <cstddef>

namespace davit {

namespace mx = mlx::core;

namespace {

// For each place of a mask, the number of marked ones before it, at most `last`.
mx::array order_of(const mx::array& mask, int last, mx::Stream s) {
  auto marks = mx::astype(mx::flatten(mask, s), mx::int32, s);
  auto before = mx::cumsum(marks, 0, false, false, s);
  return mx::minimum(before, mx::array(last, mx::int32), s);
}

}  // namespace

mx::array differentiable_masked_scatter(const mx::array& a, const mx::array& mask,
                                        const mx::array& src, mx::Stream s) {
  // A place of the mask stands for a row; `src` has rows, or one that all places get.
  mx::Shape row(a.shape().begin() + static_cast<std::ptrdiff_t>(mask.ndim()), a.shape().end());
  int rows = src.ndim() > row.size() ? src.shape(0) : static_cast<int>(mask.size());
  auto all = row;
  all.insert(all.begin(), rows);
  auto source = mx::broadcast_to(mx::astype(src, a.dtype(), s), all, s);
  if (source.size() == 0 || a.size() == 0) return mx::masked_scatter(a, mask, src, s);

  // Fails where the mask marks too many places, and with it all that looks at the mask.
  auto checked = mx::masked_scatter(mx::stop_gradient(a, s), mask, mx::stop_gradient(src, s), s);
  auto known = mx::depends({mask}, {checked})[0];
  auto taken = mx::reshape(mx::take(source, order_of(known, rows - 1, s), 0, s), a.shape(), s);
  auto places = mask.shape();
  places.insert(places.end(), row.size(), 1);
  return mx::where(mx::reshape(known, places, s), taken, a, s);
}

}  // namespace davit
