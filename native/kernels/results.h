// Gives arrays of a traced graph another primitive.
#pragma once

#include <mlx/mlx.h>

#include <memory>
#include <vector>

namespace davit::kernels {

// These arrays become the results of a primitive, in this order. What holds an array holds its
// description, so all see the new primitive.
inline void make_results(std::vector<mlx::core::array> arrays,
                         const std::shared_ptr<mlx::core::Primitive>& primitive,
                         const std::vector<mlx::core::array>& inputs) {
  for (size_t i = 0; i < arrays.size(); ++i) {
    auto& array = arrays[i];
    array.primitive_ptr() = primitive;
    array.inputs() = inputs;
    std::vector<mlx::core::array> siblings;
    for (size_t j = 0; j < arrays.size() && arrays.size() > 1; ++j) {
      if (j != i) siblings.push_back(arrays[j]);
    }
    array.set_siblings(std::move(siblings), static_cast<uint16_t>(i));
  }
}

}  // namespace davit::kernels
