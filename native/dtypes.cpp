#include "dtypes.h"

#include <array>
#include <utility>

namespace davit {

namespace mx = mlx::core;

namespace {
const std::array<std::pair<std::string_view, mx::Dtype>, 14> kNames = {{
    {"bool", mx::bool_},
    {"uint8", mx::uint8},
    {"uint16", mx::uint16},
    {"uint32", mx::uint32},
    {"uint64", mx::uint64},
    {"int8", mx::int8},
    {"int16", mx::int16},
    {"int32", mx::int32},
    {"int64", mx::int64},
    {"float16", mx::float16},
    {"bfloat16", mx::bfloat16},
    {"float32", mx::float32},
    {"float64", mx::float64},
    {"complex64", mx::complex64},
}};
}  // namespace

std::optional<mx::Dtype> dtype_from_name(std::string_view name) {
  for (const auto& [known, dtype] : kNames) {
    if (known == name) return dtype;
  }
  return std::nullopt;
}

std::string_view dtype_name(mx::Dtype dtype) {
  for (const auto& [name, known] : kNames) {
    if (known == dtype) return name;
  }
  return "unknown";
}

}  // namespace davit
