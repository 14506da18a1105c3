// Ops that change a tensor's shape.
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

mx::array roll(const OpCall& call) {
  auto shift = call.shape("shift");
  if (call.has("axes")) return mx::roll(call[0], shift, call.integers("axes"), call.stream());
  return mx::roll(call[0], shift, call.stream());
}

mx::array as_strided(const OpCall& call) {
  auto strides = call.long_integers("strides");
  return mx::as_strided(call[0], call.shape("shape"), mx::Strides(strides.begin(), strides.end()),
                        call.integer("offset"), call.stream());
}

}  // namespace

void add_shape_ops(OpTable& table) {
  table.add1("reshape", [](const OpCall& call) {
    return mx::reshape(call[0], call.shape("shape"), call.stream());
  });
  table.add1("flatten", [](const OpCall& call) {
    return mx::flatten(call[0], call.integer("start_axis"), call.integer("end_axis"),
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

  table.add1("as_strided", as_strided);
  table.add1("contiguous", [](const OpCall& call) {
    return mx::contiguous(call[0], call.flag("allow_col_major"), call.stream());
  });
}

}  // namespace davit
