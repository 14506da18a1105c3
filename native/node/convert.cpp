#include "node/convert.h"

#include <cstdlib>
#include <string_view>

#include "dtypes.h"

namespace davit::node {

namespace {

Attribute to_list(const Napi::Array& list, const std::string& name) {
  if (list.Length() > 0 && list.Get(0u).IsString()) {
    std::vector<std::string> texts;
    for (uint32_t i = 0; i < list.Length(); ++i) {
      texts.push_back(list.Get(i).As<Napi::String>().Utf8Value());
    }
    return texts;
  }
  std::vector<double> numbers;
  numbers.reserve(list.Length());
  for (uint32_t i = 0; i < list.Length(); ++i) {
    Napi::Value item = list.Get(i);
    if (item.IsBigInt()) {
      bool lossless = false;
      numbers.push_back(static_cast<double>(item.As<Napi::BigInt>().Int64Value(&lossless)));
    } else if (item.IsNumber()) {
      numbers.push_back(item.As<Napi::Number>().DoubleValue());
    } else {
      throw OpError("attribute_invalid", "attribute \"" + name + "\" is not a list of numbers");
    }
  }
  return numbers;
}

Attribute to_attribute(const Napi::Value& value, const std::string& name) {
  if (value.IsBoolean()) return value.As<Napi::Boolean>().Value();
  if (value.IsNumber()) return value.As<Napi::Number>().DoubleValue();
  if (value.IsString()) return value.As<Napi::String>().Utf8Value();
  if (value.IsTypedArray()) {
    auto bytes = to_bytes(value);
    return std::vector<uint8_t>(bytes.begin(), bytes.end());
  }
  if (value.IsArray()) return to_list(value.As<Napi::Array>(), name);
  if (value.IsBigInt()) {
    bool lossless = false;
    auto big = value.As<Napi::BigInt>();
    int64_t signed_value = big.Int64Value(&lossless);
    if (lossless) return signed_value;
    uint64_t unsigned_value = big.Uint64Value(&lossless);
    if (lossless) return unsigned_value;
  }
  throw OpError("attribute_invalid", "attribute \"" + name + "\" has no native form");
}

}  // namespace

TensorType to_type(const Napi::Value& value) {
  if (!value.IsObject()) throw OpError("type_invalid", "a tensor type is not an object");
  auto object = value.As<Napi::Object>();
  auto name = object.Get("dtype").ToString().Utf8Value();
  auto dtype = dtype_from_name(name);
  if (!dtype) throw OpError("type_invalid", "\"" + name + "\" is not a dtype");
  TensorType type{*dtype, {}};
  for (int64_t size : to_integers(object.Get("shape"))) {
    if (size < 0 || size > INT32_MAX) {
      throw OpError("value_too_large", "a dimension of " + std::to_string(size) +
                                           " elements is outside 0 to 2147483647");
    }
    type.shape.push_back(static_cast<mx::ShapeElem>(size));
  }
  return type;
}

std::vector<TensorType> to_types(const Napi::Value& value) {
  std::vector<TensorType> types;
  auto list = value.As<Napi::Array>();
  types.reserve(list.Length());
  for (uint32_t i = 0; i < list.Length(); ++i) types.push_back(to_type(list.Get(i)));
  return types;
}

Napi::Object from_type(Napi::Env env, const TensorType& type) {
  auto shape = Napi::Array::New(env, type.shape.size());
  for (uint32_t i = 0; i < type.shape.size(); ++i) shape.Set(i, type.shape[i]);
  auto object = Napi::Object::New(env);
  object.Set("dtype", std::string(dtype_name(type.dtype)));
  object.Set("shape", shape);
  return object;
}

Attributes to_attributes(const Napi::Value& value) {
  Attributes attributes;
  if (value.IsUndefined()) return attributes;
  auto object = value.As<Napi::Object>();
  auto names = object.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    auto name = names.Get(i).ToString().Utf8Value();
    Napi::Value attribute = object.Get(name);
    if (!attribute.IsUndefined()) attributes.emplace(name, to_attribute(attribute, name));
  }
  return attributes;
}

std::vector<int64_t> to_integers(const Napi::Value& value) {
  if (!value.IsArray()) throw OpError("type_invalid", "a list of integers was expected");
  auto list = value.As<Napi::Array>();
  std::vector<int64_t> integers;
  integers.reserve(list.Length());
  for (uint32_t i = 0; i < list.Length(); ++i) {
    integers.push_back(list.Get(i).ToNumber().Int64Value());
  }
  return integers;
}

std::span<const uint8_t> to_bytes(const Napi::Value& value) {
  if (!value.IsTypedArray()) throw OpError("type_invalid", "a Uint8Array was expected");
  // Not by its ArrayBuffer, which may be a SharedArrayBuffer.
  void* data = nullptr;
  napi_status status =
      napi_get_typedarray_info(value.Env(), value, nullptr, nullptr, &data, nullptr, nullptr);
  if (status != napi_ok) throw OpError("type_invalid", "the bytes cannot be read");
  return {static_cast<const uint8_t*>(data), value.As<Napi::TypedArray>().ByteLength()};
}

Napi::Error make_error(Napi::Env env, const Failure& failure) {
  auto error = Napi::Error::New(env, failure.message);
  error.Set("code", Napi::String::New(env, failure.code));
  if (failure.site >= 0) error.Set("site", Napi::Number::New(env, failure.site));
  return error;
}

bool foreign_memory_allowed() {
  static const bool allowed = [] {
    const char* wanted = std::getenv("DAVIT_EXTERNAL_BUFFERS");
    return wanted == nullptr || std::string_view(wanted) != "0";
  }();
  return allowed;
}

void detach(Napi::ArrayBuffer buffer) {
  if (buffer.IsDetached()) return;  // another buffer may have the memory now
  void* kept = nullptr;
  if (napi_remove_wrap(buffer.Env(), buffer, &kept) == napi_ok) {
    static_cast<Kept*>(kept)->owner.reset();
  }
  buffer.Detach();
}

Napi::ArrayBuffer from_array(Napi::Env env, const mx::array& array, Memory memory) {
  if (array.size() == 0) return Napi::ArrayBuffer::New(env, 0);
  if (array.flags().row_contiguous) {
    // Of the memory alone: Value::own() counts who has it.
    void* data = const_cast<uint8_t*>(array.data<uint8_t>());
    return over(env, data, array.nbytes(), array.data_shared_ptr(), memory);
  }
  // The copy is the engine's, so that the memory limit is for it too.
  auto rows = allocate_array(type_of(array));
  copy_rows(array, rows.data<uint8_t>());
  void* data = rows.data<uint8_t>();
  return over(env, data, array.nbytes(), std::move(rows));
}

int64_t id_of(const Napi::Value& value) { return value.ToNumber().Int64Value(); }

std::string text_of(const Napi::Value& value) { return value.ToString().Utf8Value(); }

}  // namespace davit::node
