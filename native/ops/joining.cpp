// Ops that put tensors together, repeat them and take them apart.
#include "ops/registry.h"

namespace davit {

namespace {

mx::array repeat(const OpCall& call) {
  int repeats = call.integer("repeats");
  if (call.has("axis")) {
    return mx::repeat(call[0], repeats, call.integer("axis"), call.stream());
  }
  return mx::repeat(call[0], repeats, call.stream());
}

Arrays split(const OpCall& call) {
  int axis = call.integer("axis");
  if (call.has("indices")) return mx::split(call[0], call.shape("indices"), axis, call.stream());
  return mx::split(call[0], call.integer("sections"), axis, call.stream());
}

// A tensor in the middle of one that is filled with a value, which has a derivative by both; that
// of MLX's pad has none by the value.
mx::array padded(const OpCall& call, const std::vector<std::pair<int, int>>& widths) {
  auto s = call.stream();
  mx::Shape shape, start, stop;
  for (size_t i = 0; i < widths.size(); ++i) {
    auto [low, high] = widths[i];
    int size = call[0].shape(static_cast<int>(i));
    shape.push_back(low + size + high);
    start.push_back(low);
    stop.push_back(low + size);
  }
  auto value = mx::broadcast_to(mx::astype(call[1], call[0].dtype(), s), shape, s);
  return mx::slice_update(value, call[0], start, stop, s);
}

mx::array pad(const OpCall& call) {
  std::vector<std::pair<int, int>> widths;
  auto flat = call.integers("pad_width");
  for (size_t i = 0; i + 1 < flat.size(); i += 2) widths.emplace_back(flat[i], flat[i + 1]);
  auto mode = call.text("mode");
  if (call.differentiated() && call.optional(1) && mode == "constant") return padded(call, widths);
  auto value = call.optional(1).value_or(mx::array(0, call[0].dtype()));
  return mx::pad(call[0], widths, value, mode, call.stream());
}

}  // namespace

void add_joining_ops(OpTable& table) {
  table.add1("broadcast_to", [](const OpCall& call) {
    return mx::broadcast_to(call[0], call.shape("shape"), call.stream());
  });
  table.add("broadcast_arrays",
            [](const OpCall& call) { return mx::broadcast_arrays(call.all(), call.stream()); });
  table.add1("repeat", repeat);
  table.add1("tile", [](const OpCall& call) {
    return mx::tile(call[0], call.integers("reps"), call.stream());
  });
  table.add1("pad", pad);

  table.add1("concatenate", [](const OpCall& call) {
    return mx::concatenate(call.all(), call.integer("axis"), call.stream());
  });
  table.add1("stack", [](const OpCall& call) {
    return mx::stack(call.all(), call.integer("axis"), call.stream());
  });
  table.add("split", split);
  table.add("unstack", [](const OpCall& call) {
    return mx::unstack(call[0], call.integer("axis"), call.stream());
  });
}

}  // namespace davit
