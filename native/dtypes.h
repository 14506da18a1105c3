// MLX's element types and their names.
#pragma once

#include <mlx/mlx.h>

#include <optional>
#include <string_view>

namespace davit {

// The dtype of a name, or nothing.
std::optional<mlx::core::Dtype> dtype_from_name(std::string_view name);
// The name of a dtype.
std::string_view dtype_name(mlx::core::Dtype dtype);

}  // namespace davit
