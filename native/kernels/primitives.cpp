#include "kernels/primitives.h"

#include <algorithm>
#include <string_view>

#include "kernels/rows.h"

namespace davit::kernels {

namespace mx = mlx::core;

namespace {

bool is_elementwise(const mx::array& result, std::string_view name) {
  const auto& inputs = result.inputs();
  for (const auto& input : inputs) {
    if (input.shape() != result.shape() || !held(input.dtype())) return false;
  }
  auto out = held(result.dtype());
  if (!out || inputs.empty()) return false;
  const auto& table = *instructions();
  auto type = held(inputs[0].dtype())->type;
  if (const auto* row = unary_row(name)) {
    return inputs.size() == 1 && table.unary[static_cast<int>(row->op)][index(type)];
  }
  if (const auto* row = binary_row(name)) {
    bool logical = name.starts_with("Logical");
    if (logical && (type != Type::boolean || held(inputs[1].dtype())->type != type)) return false;
    return inputs.size() == 2 && inputs[0].dtype() == inputs[1].dtype() &&
           table.binary[static_cast<int>(row->op)][index(type)];
  }
  if (name == "AsType") return table.cast[index(type)][index(out->type)] != nullptr;
  return name == "Select" && type == Type::boolean && inputs[1].dtype() == result.dtype() &&
         inputs[2].dtype() == result.dtype();
}

// The first dimension of a row where those that are reduced are the last ones.
std::optional<size_t> last_dimensions(const mx::array& input, std::vector<int> axes) {
  auto rank = static_cast<int>(input.ndim());
  for (int& axis : axes) axis = axis < 0 ? axis + rank : axis;
  std::ranges::sort(axes);
  if (axes.empty()) return std::nullopt;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] != rank - static_cast<int>(axes.size() - i)) return std::nullopt;
  }
  return static_cast<size_t>(axes[0]);
}

Part reduction_part(const mx::array& result, Reduction op) {
  const auto& input = result.inputs()[0];
  auto& primitive = static_cast<mx::Reduce&>(result.primitive());
  auto from = held(input.dtype());
  auto to = held(result.dtype());
  auto columns_from = last_dimensions(input, primitive.state().second);
  if (!from || !to || !columns_from || result.ndim() != input.ndim()) return {};
  const auto& table = *instructions();
  if (!table.cast[index(from->type)][index(to->type)]) return {};
  if (!table.reduce[static_cast<int>(op)][index(to->type)]) return {};
  return {Role::reduction, *columns_from};
}

}  // namespace

std::optional<Held> held(mx::Dtype dtype) {
  switch (dtype.val()) {
    case mx::Dtype::Val::bool_:
      return Held{Type::boolean, {}};
    case mx::Dtype::Val::uint8:
      return Held{Type::u8, {}};
    case mx::Dtype::Val::uint16:
      return Held{Type::u16, {}};
    case mx::Dtype::Val::uint32:
      return Held{Type::u32, {}};
    case mx::Dtype::Val::uint64:
      return Held{Type::u64, {}};
    case mx::Dtype::Val::int8:
      return Held{Type::i8, {}};
    case mx::Dtype::Val::int16:
      return Held{Type::i16, {}};
    case mx::Dtype::Val::int32:
      return Held{Type::i32, {}};
    case mx::Dtype::Val::int64:
      return Held{Type::i64, {}};
    case mx::Dtype::Val::float32:
      return Held{Type::f32, {}};
    case mx::Dtype::Val::float64:
      return Held{Type::f64, {}};
    case mx::Dtype::Val::float16:
      return Held{Type::f32, Half::f16};
    case mx::Dtype::Val::bfloat16:
      return Held{Type::f32, Half::bf16};
    case mx::Dtype::Val::complex64:
      return std::nullopt;
  }
  return std::nullopt;
}

bool is_broadcast(const mx::array& array) {
  return array.has_primitive() && array.inputs().size() == 1 &&
         std::string_view(array.primitive().name()) == "Broadcast";
}

Part part_of(const mx::array& result) {
  if (instructions() == nullptr || !result.has_primitive() || result.size() == 0) return {};
  if (result.primitive().stream().device != mx::Device::cpu) return {};
  std::string_view name = result.primitive().name();
  if (is_elementwise(result, name)) return {Role::elementwise};
  const auto& inputs = result.inputs();
  if (is_broadcast(result) && inputs[0].ndim() == result.ndim() && held(result.dtype())) {
    return {Role::repetition};
  }
  if (inputs.size() != 1 || inputs[0].ndim() == 0 || inputs[0].size() == 0) return {};
  if (auto op = reduction(name)) return reduction_part(result, *op);
  bool floating = inputs[0].dtype() == mx::float32 || inputs[0].dtype() == mx::float16 ||
                  inputs[0].dtype() == mx::bfloat16;
  size_t last = inputs[0].ndim() - 1;
  if (name == "Softmax" && floating) return {Role::row_wise, last};
  if (name == "LogSumExp" && floating && result.ndim() == inputs[0].ndim()) {
    return {Role::reduction, last};
  }
  return {};
}

}  // namespace davit::kernels
