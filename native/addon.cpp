// The addon's exports: see src/native.ts for what each does.
#include <mlx/mlx.h>
#include <napi.h>

#include <memory>

#include "blas/blas.h"
#include "interpose/interpose.h"
#include "kernels/instructions.h"
#include "node/convert.h"
#include "node/engine.h"
#include "node/hang_up.h"
#include "ops/infer.h"

namespace davit::node {

namespace {

Napi::Value versions(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  auto devices = Napi::Array::New(env);
  devices.Set(0u, "cpu");
  if (mx::is_available(mx::Device::gpu)) devices.Set(1u, "gpu");
  auto result = Napi::Object::New(env);
  result.Set("mlx", mx::version());
  result.Set("blas", blas::config());
  try {
    const auto* kernels = kernels::instructions();
    result.Set("kernels", kernels == nullptr ? "mlx" : kernels->name);
  } catch (const std::invalid_argument& error) {
    // An engine that is made throws it.
    result.Set("kernels", std::string("none: ") + error.what());
  }
  result.Set("devices", devices);
  return result;
}

Napi::Value op_names(const Napi::CallbackInfo& info) {
  auto names = op_table().names();
  auto list = Napi::Array::New(info.Env(), names.size());
  for (uint32_t i = 0; i < names.size(); ++i) list.Set(i, names[i]);
  return list;
}

std::vector<std::optional<TensorType>> optional_types(const Napi::Value& value) {
  std::vector<std::optional<TensorType>> types;
  auto list = value.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) {
    Napi::Value item = list.Get(i);
    if (item.IsNull() || item.IsUndefined()) {
      types.emplace_back();
    } else {
      types.emplace_back(to_type(item));
    }
  }
  return types;
}

Napi::Value infer(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto types = infer_types(info[0].ToString().Utf8Value(), optional_types(info[1]),
                             to_attributes(info[2]), mx::Device::cpu);
    auto list = Napi::Array::New(env, types.size());
    for (uint32_t i = 0; i < types.size(); ++i) list.Set(i, from_type(env, types[i]));
    return list;
  });
}

Napi::Value allocation_checks(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto checks = interpose::allocation_checks();
    auto result = Napi::Object::New(env);
    result.Set("guardPages", checks.guard_pages);
    result.Set("poison", checks.poison ? Napi::Number::New(env, *checks.poison) : env.Null());
    return result;
  });
}

Napi::Value external_buffers(const Napi::CallbackInfo& info) {
  auto owner = std::make_unique<char>();
  auto* byte = owner.get();
  return Napi::Boolean::New(info.Env(), external(info.Env(), byte, 1, owner).has_value());
}

Napi::Value set_up_collector(const Napi::CallbackInfo& info) {
  Collector::of(info.Env()).set_up(info[0].As<Napi::Function>(), info[1].As<Napi::Function>());
  return info.Env().Undefined();
}

Napi::Value collect(const Napi::CallbackInfo& info) {
  Collector::of(info.Env()).collect();
  return info.Env().Undefined();
}

Napi::Value collector_state(const Napi::CallbackInfo& info) {
  auto state = Collector::of(info.Env()).state();
  auto result = Napi::Object::New(info.Env());
  result.Set("held", static_cast<double>(state.held));
  result.Set("external", static_cast<double>(state.external));
  result.Set("collections", static_cast<double>(state.collections));
  return result;
}

Napi::Value on_hang_up(const Napi::CallbackInfo& info) {
  exit_on_hang_up(info[0].ToNumber().Int32Value(), info[1].ToNumber().Int32Value());
  return info.Env().Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("versions", Napi::Function::New(env, versions, "versions"));
  exports.Set("opNames", Napi::Function::New(env, op_names, "opNames"));
  exports.Set("inferTypes", Napi::Function::New(env, infer, "inferTypes"));
  exports.Set("allocationChecks", Napi::Function::New(env, allocation_checks, "allocationChecks"));
  exports.Set("externalBuffers", Napi::Function::New(env, external_buffers, "externalBuffers"));
  exports.Set("exitOnHangUp", Napi::Function::New(env, on_hang_up, "exitOnHangUp"));
  exports.Set("setUpCollector", Napi::Function::New(env, set_up_collector, "setUpCollector"));
  exports.Set("collect", Napi::Function::New(env, collect, "collect"));
  exports.Set("collectorState", Napi::Function::New(env, collector_state, "collectorState"));
  exports.Set("Engine", EngineObject::define(env));
  return exports;
}

}  // namespace

}  // namespace davit::node

static Napi::Object init_davit(Napi::Env env, Napi::Object exports) {
  return davit::node::init(env, exports);
}

NODE_API_MODULE(davit, init_davit)
