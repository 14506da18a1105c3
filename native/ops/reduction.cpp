// Reductions over axes, and scans along one.
#include <limits>

#include "ops/guards.h"

namespace davit {

namespace {

using Reduction = mx::array (*)(const mx::array&, const std::vector<int>&, bool,
                                mx::StreamOrDevice);
using Deviation = mx::array (*)(const mx::array&, const std::vector<int>&, bool, int,
                                mx::StreamOrDevice);
using ArgReduction = mx::array (*)(const mx::array&, int, bool, mx::StreamOrDevice);
using Scan = mx::array (*)(const mx::array&, int, bool, bool, mx::StreamOrDevice);

struct ReductionRow {
  const char* name;
  Reduction op;
  double
      identity;  // the result over nothing; the table's guards leave open only where that is moot
};

struct ScanRow {
  const char* name;
  Scan op;
};

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

const ReductionRow kReductions[] = {
    {"all", mx::all, 1},
    {"any", mx::any, 0},
    {"count_nonzero", mx::count_nonzero, 0},
    {"logsumexp", mx::logsumexp, kNan},
    {"max", mx::max, kNan},
    {"mean", mx::mean, kNan},
    {"median", mx::median, kNan},
    {"min", mx::min, kNan},
    {"prod", mx::prod, 1},
    {"sum", mx::sum, 0},
};

const ScanRow kExtremes[] = {
    {"cummax", mx::cummax},
    {"cummin", mx::cummin},
};

// The result of a reduction, unless there is nothing to reduce: MLX's kernels read past the end of
// what they plan with then, and may never come back. What they would return is known beforehand.
mx::array unless_empty(const OpCall& call, const mx::array& result, double identity) {
  if (call[0].size() > 0) return result;
  return mx::full(result.shape(), mx::array(identity, result.dtype()), call.stream());
}

// The index of the whole tensor's extreme where `axis` is absent, as if it were flat.
template <ArgReduction op>
mx::array arg_reduction(const OpCall& call) {
  auto s = call.stream();
  bool keepdims = call.flag("keepdims");
  if (call.has("axis")) return op(call[0], call.integer("axis"), keepdims, s);
  auto index = op(mx::flatten(call[0], s), 0, false, s);
  return keepdims ? mx::reshape(index, mx::Shape(call[0].ndim(), 1), s) : index;
}

template <Deviation op>
mx::array deviation(const OpCall& call) {
  auto result =
      op(call[0], axes_or_all(call), call.flag("keepdims"), call.integer("ddof"), call.stream());
  return unless_empty(call, result, kNan);
}

// What a scan works on: the operand cast, and flat where `axis` is absent.
std::pair<mx::array, int> scanned(const OpCall& call) {
  auto a = call.has("dtype") ? mx::astype(call[0], call.dtype("dtype"), call.stream()) : call[0];
  if (call.has("axis")) return {a, call.integer("axis")};
  return {mx::flatten(a, call.stream()), 0};
}

// What a cumulative maximum or minimum takes of its operand, place by place, for derivatives: from
// the last place so far that holds the extreme. MLX's own derivative finds none for a NaN and
// writes outside the gradient.
mx::array taken_extremes(const OpCall& call, Scan scan, const mx::array& a, int axis) {
  auto s = call.stream();
  bool reverse = call.flag("reverse"), inclusive = call.flag("inclusive");
  if (a.size() == 0) return a;
  axis = normal_axis(axis, a);
  int size = a.shape(axis);
  auto values = mx::stop_gradient(a, s);
  auto extremes = scan(values, axis, reverse, true, s);
  auto holds = mx::logical_or(mx::equal(values, extremes, s),
                              mx::logical_and(mx::isnan(values, s), mx::isnan(extremes, s), s), s);
  mx::Shape along(a.ndim(), 1);
  along[axis] = size;
  auto places = mx::reshape(mx::arange(0, size, 1, mx::int32, s), along, s);
  auto nowhere = mx::array(reverse ? size : -1, mx::int32);
  auto held = mx::where(holds, places, nowhere, s);
  auto last =
      reverse ? mx::cummin(held, axis, true, true, s) : mx::cummax(held, axis, false, true, s);
  auto taken = mx::take_along_axis(a, last, axis, s);
  if (inclusive) return taken;
  // Without its own place each takes what its neighbour took; the first has none.
  auto whole = scan(values, axis, reverse, false, s);
  auto part = [&](const mx::array& of, int from, int to) {
    mx::Shape start(of.ndim(), 0), stop = of.shape();
    start[axis] = from;
    stop[axis] = to;
    return mx::slice(of, start, stop, s);
  };
  if (reverse) {
    return mx::concatenate({part(taken, 1, size), part(whole, size - 1, size)}, axis, s);
  }
  return mx::concatenate({part(whole, 0, 1), part(taken, 0, size - 1)}, axis, s);
}

Arrays minmax(const OpCall& call) {
  auto [low, high] = mx::minmax(call[0], axes_or_all(call), call.flag("keepdims"), call.stream());
  return {unless_empty(call, low, kNan), unless_empty(call, high, kNan)};
}

}  // namespace

void add_reduction_ops(OpTable& table) {
  for (const auto& row : kReductions) {
    table.add1(row.name, [row](const OpCall& call) {
      auto result = row.op(call[0], axes_or_all(call), call.flag("keepdims"), call.stream());
      return unless_empty(call, result, row.identity);
    });
  }
  table.add1("number_of_elements", [](const OpCall& call) {
    return mx::number_of_elements(call[0], axes_or_all(call), call.flag("inverted"),
                                  call.dtype("dtype"), call.stream());
  });
  table.add1("var", deviation<mx::var>);
  table.add1("std", deviation<mx::std>);
  table.add1("argmax", arg_reduction<mx::argmax>);
  table.add1("argmin", arg_reduction<mx::argmin>);
  table.add("minmax", minmax);
  table.add1("softmax", [](const OpCall& call) {
    return mx::softmax(call[0], axes_or_all(call), call.flag("precise"), call.stream());
  });
  for (const auto& row : kExtremes) {
    table.add1(row.name, [op = row.op](const OpCall& call) {
      auto [a, axis] = scanned(call);
      if (call.differentiated()) return taken_extremes(call, op, a, axis);
      return op(a, axis, call.flag("reverse"), call.flag("inclusive"), call.stream());
    });
  }
  table.add1("logcumsumexp", [](const OpCall& call) {
    auto [a, axis] = scanned(call);
    return mx::logcumsumexp(a, axis, call.flag("reverse"), call.flag("inclusive"), call.stream());
  });
  table.add1("cumsum", [](const OpCall& call) {
    auto [a, axis] = scanned(call);
    return mx::cumsum(a, axis, call.flag("reverse"), call.flag("inclusive"), std::nullopt,
                      call.stream());
  });
  table.add1("cumprod", [](const OpCall& call) {
    auto [a, axis] = scanned(call);
    return mx::cumprod(a, axis, call.flag("reverse"), call.flag("inclusive"), std::nullopt,
                       call.stream());
  });
  table.add1("diff", [](const OpCall& call) {
    return mx::diff(call[0], call.integer("n"), call.integer("axis"), call.stream());
  });
}

}  // namespace davit
