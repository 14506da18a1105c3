// Types of an op's outputs, asked of MLX itself by building the op on placeholders. Computes
// nothing.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "ops/registry.h"
#include "tensor_type.h"

namespace davit {

// Throws OpError, or what MLX throws, with MLX's message.
std::vector<TensorType> infer_types(std::string_view op,
                                    const std::vector<std::optional<TensorType>>& inputs,
                                    const Attributes& attributes, mx::Device device);

}  // namespace davit
