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

// Dimensions beyond this have no bit in Axes.
constexpr size_t kMostDimensions = 64;

Axes bits_of(const std::vector<int>& axes, size_t rank) {
  Axes bits = 0;
  for (int axis : axes) bits |= Axes{1} << (axis < 0 ? axis + static_cast<int>(rank) : axis);
  return bits;
}

Part reduction_part(const mx::array& result, Reduction op) {
  const auto& input = result.inputs()[0];
  auto& primitive = static_cast<mx::Reduce&>(result.primitive());
  auto from = held(input.dtype());
  auto to = held(result.dtype());
  auto axes = bits_of(primitive.state().second, input.ndim());
  if (!from || !to || axes == 0 || result.ndim() != input.ndim()) return {};
  // In another order a product may be of zero and of an infinity that there was not before.
  bool floating = to->type == Type::f32 || to->type == Type::f64;
  if (op == Reduction::product && floating) return {};
  const auto& table = *instructions();
  if (!table.cast[index(from->type)][index(to->type)]) return {};
  if (!table.reduce[static_cast<int>(op)][index(to->type)]) return {};
  return {Role::reduction, axes};
}

Part search_part(const mx::array& result) {
  const auto& input = result.inputs()[0];
  auto op = search(result);
  auto from = held(input.dtype());
  if (!from || !op || result.ndim() != input.ndim()) return {};
  if (!instructions()->search[static_cast<int>(*op)][index(from->type)]) return {};
  auto& primitive = static_cast<mx::ArgReduce&>(result.primitive());
  return {Role::reduction, bits_of({primitive.state().second}, input.ndim())};
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

mx::Shape without(mx::Shape shape, Axes axes) {
  for (size_t i = 0; i < shape.size(); ++i) {
    if ((axes >> i & 1) != 0) shape[static_cast<int>(i)] = 1;
  }
  return shape;
}

std::optional<Search> search(const mx::array& result) {
  if (std::string_view(result.primitive().name()) != "ArgReduce") return std::nullopt;
  auto kind = static_cast<mx::ArgReduce&>(result.primitive()).state().first;
  return kind == mx::ArgReduce::ArgMax ? Search::argmax : Search::argmin;
}

bool is_broadcast(const mx::array& array) {
  return array.has_primitive() && array.inputs().size() == 1 &&
         std::string_view(array.primitive().name()) == "Broadcast";
}

bool passes_through(const mx::array& result, size_t number) {
  if (!result.has_primitive()) return false;
  std::string_view name = result.primitive().name();
  // A hook's last operand and result is a token.
  if (name == "DavitHook") return number + 1 < result.inputs().size();
  return name == "StopGradient";
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
  if (inputs[0].ndim() > kMostDimensions) return {};
  if (auto op = reduction(name)) return reduction_part(result, *op);
  if (name == "ArgReduce") return search_part(result);
  bool floating = inputs[0].dtype() == mx::float32 || inputs[0].dtype() == mx::float16 ||
                  inputs[0].dtype() == mx::bfloat16;
  Axes last = Axes{1} << (inputs[0].ndim() - 1);
  if (name == "Softmax" && floating) return {Role::row_wise, last};
  if (name == "LogSumExp" && floating && result.ndim() == inputs[0].ndim()) {
    return {Role::reduction, last};
  }
  return {};
}

}  // namespace davit::kernels
