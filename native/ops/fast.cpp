// Fused ops of neural networks.
#include "ops/guards.h"

namespace davit {

namespace {

mx::array rope(const OpCall& call) {
  std::optional<float> base;
  if (call.has("base")) base = static_cast<float>(call.number("base"));
  auto offset = call.optional(1).value_or(mx::array(0, mx::int32));
  return mx::fast::rope(call[0], call.integer("dims"), call.flag("traditional"), base,
                        static_cast<float>(call.number("scale")), offset, call.optional(2),
                        call.stream());
}

mx::array attention(const OpCall& call) {
  auto out = mx::fast::scaled_dot_product_attention(
      call[0], call[1], call[2], static_cast<float>(call.number("scale")),
      call.has("mask_mode") ? call.text("mask_mode") : "", call.optional(3), call.optional(4),
      false, call.stream());
  return unless_empty(out, call.stream());
}

// Class indices are clamped: MLX reads the logits there unchecked.
mx::array cross_entropy(const OpCall& call) {
  auto s = call.stream();
  const auto& logits = call[0];
  auto targets = clamp_unwrapped(call[1], logits.shape(-1), 1, s);
  if (logits.size() == 0) return mx::zeros(targets.shape(), mx::float32, s);
  return mx::fast::cross_entropy(logits, targets, s);
}

Arrays gated_delta_update(const OpCall& call) {
  auto s = call.stream();
  auto out = mx::fast::gated_delta_update(call[0], call[1], call[2], call[3], call[4],
                                          call.optional(5), call.optional(6), s);
  if (call[0].size() > 0 && call[2].size() > 0) return out;
  return {zeros_for(out[0], s), zeros_for(out[1], s)};
}

}  // namespace

void add_fast_ops(OpTable& table) {
  table.add1("fast.rms_norm", [](const OpCall& call) {
    auto eps = static_cast<float>(call.number("eps"));
    return unless_empty(mx::fast::rms_norm(call[0], call.optional(1), eps, call.stream()),
                        call.stream());
  });
  table.add1("fast.layer_norm", [](const OpCall& call) {
    auto eps = static_cast<float>(call.number("eps"));
    auto s = call.stream();
    return unless_empty(mx::fast::layer_norm(call[0], call.optional(1), call.optional(2), eps, s),
                        s);
  });
  table.add1("fast.rope", rope);
  table.add1("fast.scaled_dot_product_attention", attention);
  table.add1("fast.cross_entropy", cross_entropy);
  table.add("fast.gated_delta_update", gated_delta_update);
}

}  // namespace davit
