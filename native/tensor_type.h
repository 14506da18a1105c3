// The type of a tensor: its dtype and shape.
#pragma once

#include <mlx/mlx.h>

#include <cstddef>
#include <string>

namespace davit {

struct TensorType {
  mlx::core::Dtype dtype;
  mlx::core::Shape shape;

  bool operator==(const TensorType& other) const {
    return dtype == other.dtype && shape == other.shape;
  }
};

// The type of an array.
inline TensorType type_of(const mlx::core::array& array) { return {array.dtype(), array.shape()}; }

// The bytes of a tensor without gaps; throws OpError("value_too_large") where they do not fit 63
// bits.
size_t byte_size(const TensorType& type);

// `float32[2, 3]`
std::string to_string(const TensorType& type);

}  // namespace davit
