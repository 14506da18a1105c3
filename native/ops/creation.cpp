// Tensors made from attributes alone, or with the shape of another.
#include <cmath>

#include "ops/registry.h"

namespace davit {

namespace {

// MLX's rule in Python: int32 where everything is a whole number that fits, float32 otherwise.
mx::Dtype range_dtype(std::initializer_list<double> bounds) {
  bool whole = true;
  bool small = true;
  for (double value : bounds) {
    whole = whole && std::trunc(value) == value;
    small = small && std::abs(value) < 2147483648.0;
  }
  return !whole ? mx::float32 : small ? mx::int32 : mx::int64;
}

mx::array arange(const OpCall& call) {
  double start = call.number("start");
  double stop = call.number("stop");
  double step = call.number("step");
  auto dtype = call.has("dtype") ? call.dtype("dtype") : range_dtype({start, stop, step});
  return mx::arange(start, stop, step, dtype, call.stream());
}

mx::array linspace(const OpCall& call) {
  return mx::linspace(call.number("start"), call.number("stop"), call.integer("num"),
                      call.flag("endpoint"), call.dtype("dtype"), call.stream());
}

mx::array full(const OpCall& call) {
  auto dtype = call.dtype("dtype", call[0].dtype());
  return mx::full(call.shape("shape"), call[0], dtype, call.stream());
}

mx::array full_like(const OpCall& call) {
  auto dtype = call.dtype("dtype", call[0].dtype());
  return mx::full(call[0].shape(), call[1], dtype, call.stream());
}

mx::array eye(const OpCall& call) {
  int n = call.integer("n");
  return mx::eye(n, call.optional_integer("m").value_or(n), call.integer("k"), call.dtype("dtype"),
                 call.stream());
}

mx::array tri(const OpCall& call) {
  int n = call.integer("n");
  return mx::tri(n, call.optional_integer("m").value_or(n), call.integer("k"), call.dtype("dtype"),
                 call.stream());
}

Arrays meshgrid(const OpCall& call) {
  return mx::meshgrid(call.all(), call.flag("sparse"), call.text("indexing"), call.stream());
}

// MLX's windows return float32[0] for a size of 0.
OpTable& add_window(OpTable& table, const char* name,
                    mx::array (*window)(int, mx::StreamOrDevice)) {
  table.add1(name,
             [window](const OpCall& call) { return window(call.integer("M"), call.stream()); });
  return table;
}

}  // namespace

void add_creation_ops(OpTable& table) {
  table.add1("full", full);
  table.add1("zeros", [](const OpCall& call) {
    return mx::zeros(call.shape("shape"), call.dtype("dtype"), call.stream());
  });
  table.add1("ones", [](const OpCall& call) {
    return mx::ones(call.shape("shape"), call.dtype("dtype"), call.stream());
  });
  table.add1("full_like", full_like);
  table.add1("zeros_like", [](const OpCall& call) {
    return mx::zeros_like(call[0], call.dtype("dtype", call[0].dtype()), call.stream());
  });
  table.add1("ones_like", [](const OpCall& call) {
    return mx::ones_like(call[0], call.dtype("dtype", call[0].dtype()), call.stream());
  });
  table.add1("arange", arange);
  table.add1("linspace", linspace);
  table.add1("eye", eye);
  table.add1("identity", [](const OpCall& call) {
    return mx::identity(call.integer("n"), call.dtype("dtype"), call.stream());
  });
  table.add1("tri", tri);
  table.add1("tril", [](const OpCall& call) {
    return mx::tril(call[0], call.integer("k"), call.stream());
  });
  table.add1("triu", [](const OpCall& call) {
    return mx::triu(call[0], call.integer("k"), call.stream());
  });
  table.add("meshgrid", meshgrid);
  add_window(table, "bartlett", mx::bartlett);
  add_window(table, "blackman", mx::blackman);
  add_window(table, "hamming", mx::hamming);
  add_window(table, "hanning", mx::hanning);
}

}  // namespace davit
