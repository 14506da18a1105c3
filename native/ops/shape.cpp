// Ops that change a tensor's shape, or put tensors together and take them apart.
#include "ops/registry.h"

namespace davit {

namespace {

using Rank = mx::array (*)(const mx::array&, mx::StreamOrDevice);

template <Rank op>
mx::array at_least(const OpCall& call) {
  return op(call[0], call.stream());
}

mx::array transpose(const OpCall& call) {
  if (call.has("axes")) return mx::transpose(call[0], call.integers("axes"), call.stream());
  return mx::transpose(call[0], call.stream());
}

mx::array squeeze(const OpCall& call) {
  if (call.has("axes")) return mx::squeeze(call[0], call.integers("axes"), call.stream());
  return mx::squeeze(call[0], call.stream());
}

mx::array flip(const OpCall& call) {
  if (call.has("axes")) return mx::flip(call[0], call.integers("axes"), call.stream());
  return mx::flip(call[0], call.stream());
}

mx::array repeat(const OpCall& call) {
  int repeats = call.integer("repeats");
  if (call.has("axis")) {
    return mx::repeat(call[0], repeats, call.integer("axis"), call.stream());
  }
  return mx::repeat(call[0], repeats, call.stream());
}

mx::array roll(const OpCall& call) {
  auto shift = call.shape("shift");
  if (call.has("axes")) return mx::roll(call[0], shift, call.integers("axes"), call.stream());
  return mx::roll(call[0], shift, call.stream());
}

Arrays split(const OpCall& call) {
  int axis = call.integer("axis", 0);
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
  auto mode = call.text("mode", "constant");
  if (call.differentiated() && call.optional(1) && mode == "constant") return padded(call, widths);
  auto value = call.optional(1).value_or(mx::array(0, call[0].dtype()));
  return mx::pad(call[0], widths, value, mode, call.stream());
}

mx::array as_strided(const OpCall& call) {
  auto strides = call.long_integers("strides");
  return mx::as_strided(call[0], call.shape("shape"), mx::Strides(strides.begin(), strides.end()),
                        call.integer("offset", 0), call.stream());
}

}  // namespace

void add_shape_ops(OpTable& table) {
  table.add1("reshape", [](const OpCall& call) {
    return mx::reshape(call[0], call.shape("shape"), call.stream());
  });
  table.add1("flatten", [](const OpCall& call) {
    return mx::flatten(call[0], call.integer("start_axis", 0), call.integer("end_axis", -1),
                       call.stream());
  });
  table.add1("unflatten", [](const OpCall& call) {
    return mx::unflatten(call[0], call.integer("axis"), call.shape("shape"), call.stream());
  });
  table.add1("squeeze", squeeze);
  table.add1("expand_dims", [](const OpCall& call) {
    return mx::expand_dims(call[0], call.integers("axes"), call.stream());
  });
  table.add1("atleast_1d", at_least<mx::atleast_1d>);
  table.add1("atleast_2d", at_least<mx::atleast_2d>);
  table.add1("atleast_3d", at_least<mx::atleast_3d>);

  table.add1("transpose", transpose);
  table.add1("matrix_transpose",
             [](const OpCall& call) { return mx::matrix_transpose(call[0], call.stream()); });
  table.add1("swapaxes", [](const OpCall& call) {
    return mx::swapaxes(call[0], call.integer("axis1"), call.integer("axis2"), call.stream());
  });
  table.add1("moveaxis", [](const OpCall& call) {
    return mx::moveaxis(call[0], call.integer("source"), call.integer("destination"),
                        call.stream());
  });
  table.add1("flip", flip);
  table.add1("roll", roll);

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
    return mx::concatenate(call.all(), call.integer("axis", 0), call.stream());
  });
  table.add1("stack", [](const OpCall& call) {
    return mx::stack(call.all(), call.integer("axis", 0), call.stream());
  });
  table.add("split", split);
  table.add("unstack", [](const OpCall& call) {
    return mx::unstack(call[0], call.integer("axis", 0), call.stream());
  });

  table.add1("as_strided", as_strided);
  table.add1("contiguous", [](const OpCall& call) {
    return mx::contiguous(call[0], call.flag("allow_col_major", false), call.stream());
  });
}

}  // namespace davit
