#include "ops/infer.h"

namespace davit {

std::vector<TensorType> infer_types(std::string_view op,
                                    const std::vector<std::optional<TensorType>>& inputs,
                                    const Attributes& attributes, mx::Device device) {
  const Lowering* lowering = op_table().find(op);
  if (lowering == nullptr) throw OpError("op_unknown", "unknown op \"" + std::string(op) + "\"");

  std::vector<std::optional<mx::array>> placeholders;
  for (const auto& type : inputs) {
    if (!type) {
      placeholders.emplace_back();
      continue;
    }
    // Without data or primitive: a lowering that evaluated it would throw.
    placeholders.emplace_back(mx::array(type->shape, type->dtype, nullptr, {}));
  }
  // Nothing is evaluated, so any stream of the device will do.
  OpCall call(placeholders, attributes, mx::Stream(0, device));
  std::vector<TensorType> types;
  for (const auto& output : (*lowering)(call)) {
    types.push_back(type_of(output));
    byte_size(types.back());
  }
  auto unread = call.unread();
  if (!unread.empty()) {
    throw OpError("attribute_unknown",
                  "op \"" + std::string(op) + "\" has no attribute \"" + unread.front() + "\"");
  }
  return types;
}

}  // namespace davit
