#include "kernels/constants.h"

#include "kernels/primitives.h"

namespace davit::kernels {

namespace mx = mlx::core;

std::optional<double> constant_of(const mx::array& array) {
  mx::array at = array;
  while (is_broadcast(at)) at = mx::array(at.inputs()[0]);
  if (at.has_primitive() || at.size() != 1 || at.status() != mx::array::Status::available) {
    return std::nullopt;
  }
  if (at.dtype() == mx::float32) return at.data<float>()[0];
  if (at.dtype() == mx::float64) return at.data<double>()[0];
  if (at.dtype() == mx::float16) return static_cast<float>(at.data<mx::float16_t>()[0]);
  if (at.dtype() == mx::bfloat16) return static_cast<float>(at.data<mx::bfloat16_t>()[0]);
  return std::nullopt;
}

}  // namespace davit::kernels
