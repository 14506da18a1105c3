// Numbers that a traced graph holds.
#pragma once

#include <mlx/mlx.h>

#include <optional>

namespace davit::kernels {

// The one element of a constant of floats, by way of what only changes its shape.
std::optional<double> constant_of(const mlx::core::array& array);

}  // namespace davit::kernels
