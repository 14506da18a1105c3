// Random numbers. The first operand is the key; MLX's hidden global key is never used.
#include "ops/guards.h"

namespace davit {

namespace {

mx::array bits(const OpCall& call) {
  return mx::random::bits(call.shape("shape"), call.integer("width"), call[0], call.stream());
}

mx::array uniform(const OpCall& call) {
  auto dtype = call.dtype("dtype");
  auto low = call.optional(1).value_or(mx::array(0.0, dtype));
  auto high = call.optional(2).value_or(mx::array(1.0, dtype));
  return mx::random::uniform(low, high, call.shape("shape"), dtype, call[0], call.stream());
}

mx::array normal(const OpCall& call) {
  return mx::random::normal(call.shape("shape"), call.dtype("dtype"), call.optional(1),
                            call.optional(2), call[0], call.stream());
}

mx::array multivariate_normal(const OpCall& call) {
  return mx::random::multivariate_normal(call[1], call[2], call.shape("shape"), mx::float32,
                                         call[0], call.cpu_stream());
}

mx::array randint(const OpCall& call) {
  return mx::random::randint(call[1], call[2], call.shape("shape"), call.dtype("dtype"), call[0],
                             call.stream());
}

mx::array bernoulli(const OpCall& call) {
  auto p = call.optional(1).value_or(mx::array(0.5f));
  auto shape = call.has("shape") ? call.shape("shape") : p.shape();
  return mx::random::bernoulli(p, shape, call[0], call.stream());
}

mx::array truncated_normal(const OpCall& call) {
  auto shape = call.has("shape") ? call.shape("shape")
                                 : mx::broadcast_shapes(call[1].shape(), call[2].shape());
  return mx::random::truncated_normal(call[1], call[2], shape, call.dtype("dtype"), call[0],
                                      call.stream());
}

mx::array gumbel(const OpCall& call) {
  return mx::random::gumbel(call.shape("shape"), call.dtype("dtype"), call[0], call.stream());
}

mx::array laplace(const OpCall& call) {
  return mx::random::laplace(call.shape("shape"), call.dtype("dtype"),
                             static_cast<float>(call.number("loc")),
                             static_cast<float>(call.number("scale")), call[0], call.stream());
}

mx::array categorical(const OpCall& call) {
  auto s = call.stream();
  int axis = call.integer("axis");
  if (call.has("shape")) {
    return mx::random::categorical(call[1], axis, call.shape("shape"), call[0], s);
  }
  if (!call.has("num_samples")) return mx::random::categorical(call[1], axis, call[0], s);
  // As MLX does it, which takes the default stream here: the samples are a last axis.
  axis = normal_axis(axis, call[1]);
  auto shape = call[1].shape();
  shape.erase(shape.begin() + axis);
  shape.push_back(call.integer("num_samples"));
  return mx::random::categorical(mx::expand_dims(call[1], -1, s), axis, shape, call[0], s);
}

}  // namespace

void add_random_ops(OpTable& table) {
  table.add1("random.key",
             [](const OpCall& call) { return mx::random::key(call.unsigned_integer("seed")); });
  table.add1("random.split", [](const OpCall& call) {
    return mx::random::split(call[0], call.integer("num"), call.stream());
  });
  table.add1("random.bits", bits);
  table.add1("random.uniform", uniform);
  table.add1("random.normal", normal);
  table.add1("random.multivariate_normal", multivariate_normal);
  table.add1("random.randint", randint);
  table.add1("random.bernoulli", bernoulli);
  table.add1("random.truncated_normal", truncated_normal);
  table.add1("random.gumbel", gumbel);
  table.add1("random.laplace", laplace);
  table.add1("random.categorical", categorical);
  table.add1("random.permutation", [](const OpCall& call) {
    return mx::random::permutation(call[1], call.integer("axis"), call[0], call.stream());
  });
}

}  // namespace davit
