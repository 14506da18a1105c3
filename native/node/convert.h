// Conversions between JavaScript values and the engine's own types.
#pragma once

#include <napi.h>

#include <span>
#include <vector>

#include "engine/failure.h"
#include "ops/registry.h"
#include "tensor_type.h"

namespace davit::node {

// A JavaScript `{dtype, shape}`; throws OpError where it is not one.
TensorType to_type(const Napi::Value& value);
std::vector<TensorType> to_types(const Napi::Value& value);
Napi::Object from_type(Napi::Env env, const TensorType& type);

Attributes to_attributes(const Napi::Value& value);

// A list of numbers, such as node inputs or value ids; throws OpError where it is not one.
std::vector<int64_t> to_integers(const Napi::Value& value);

// The bytes of a typed array, valid as long as the JavaScript value.
std::span<const uint8_t> to_bytes(const Napi::Value& value);

// Runs a function and throws what it throws as a JavaScript error with a `code`.
template <typename Function>
auto guarded(Napi::Env env, Function&& function) -> decltype(function());

// A JavaScript error with a stable `code`, and `site` where a node is at fault.
Napi::Error make_error(Napi::Env env, const std::string& code, const std::string& message);

template <typename Function>
auto guarded(Napi::Env env, Function&& function) -> decltype(function()) {
  try {
    return function();
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception&) {
    auto failure = current_failure();
    throw make_error(env, failure->code, failure->message);
  }
}

}  // namespace davit::node
