#include "tensor_type.h"

#include <cstdint>

#include "dtypes.h"
#include "ops/registry.h"

namespace davit {

size_t byte_size(const TensorType& type) {
  uint64_t bytes = mlx::core::size_of(type.dtype);
  bool empty = false;
  for (auto size : type.shape) empty = empty || size == 0;
  if (empty) return 0;
  for (auto size : type.shape) {
    if (size < 0 || __builtin_mul_overflow(bytes, static_cast<uint64_t>(size), &bytes) ||
        bytes > INT64_MAX) {
      throw OpError("value_too_large", "a tensor " + to_string(type) + " cannot be addressed");
    }
  }
  return bytes;
}

std::string to_string(const TensorType& type) {
  std::string text(dtype_name(type.dtype));
  text += '[';
  for (size_t i = 0; i < type.shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(type.shape[i]);
  }
  return text + ']';
}

}  // namespace davit
