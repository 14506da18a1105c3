// Copies between tensors, each of which lies in memory in any way.
#pragma once

#include <mlx/mlx.h>

#include <cstddef>
#include <vector>

#include "kernels/space.h"

namespace davit::kernels {

// Strides of a tensor that lies row by row without gaps.
Strides row_strides(const mlx::core::Shape& shape);

// Copies all elements of a shape, `item` bytes each. Transposes go by squares that stay in the
// cache; several threads share what is large.
void copy_elements(const mlx::core::Shape& shape, const void* from, const Strides& from_strides,
                   void* to, const Strides& to_strides, size_t item);

// Sets so many elements, `item` bytes each, to the one that `value` points to.
void fill_elements(void* to, size_t count, const void* value, size_t item);

}  // namespace davit::kernels
