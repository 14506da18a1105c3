// The addon's exports: see src/native.ts for what each does.
#include <mlx/mlx.h>
#include <napi.h>

#include <cstring>
#include <thread>

#include "blas/blas.h"
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

// Evaluates one op at once, for tests of the op table alone.
Napi::Value eval_op(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto op = info[0].ToString().Utf8Value();
    auto attributes = to_attributes(info[2]);
    std::vector<std::optional<std::pair<TensorType, std::span<const uint8_t>>>> inputs;
    auto list = info[1].As<Napi::Array>();
    for (uint32_t i = 0; i < list.Length(); ++i) {
      Napi::Value item = list.Get(i);
      if (item.IsNull()) {
        inputs.emplace_back();
      } else {
        auto object = item.As<Napi::Object>();
        inputs.emplace_back(std::pair{to_type(object.Get("type")), to_bytes(object.Get("bytes"))});
      }
    }
    std::exception_ptr failure;
    std::vector<std::pair<TensorType, std::vector<uint8_t>>> results;
    std::thread thread([&] {
      try {
        auto stream = mx::default_stream(mx::Device::cpu);
        std::vector<std::optional<mx::array>> arrays;
        for (auto& input : inputs) {
          if (!input) {
            arrays.emplace_back();
            continue;
          }
          auto& [type, bytes] = *input;
          mx::array array(mx::allocator::malloc(bytes.size()), type.shape, type.dtype);
          std::memcpy(array.data<uint8_t>(), bytes.data(), bytes.size());
          arrays.emplace_back(std::move(array));
        }
        const Lowering* lowering = op_table().find(op);
        if (lowering == nullptr) throw OpError("op_unknown", "unknown op \"" + op + "\"");
        auto outputs = (*lowering)(OpCall(arrays, attributes, stream));
        for (auto& output : outputs) output = mx::contiguous(output, false, stream);
        mx::eval(outputs);
        for (auto& output : outputs) {
          auto* data = output.data<uint8_t>();
          results.emplace_back(type_of(output), std::vector<uint8_t>(data, data + output.nbytes()));
        }
      } catch (...) {
        failure = std::current_exception();
      }
    });
    thread.join();
    if (failure) std::rethrow_exception(failure);
    auto outputs = Napi::Array::New(env, results.size());
    for (uint32_t i = 0; i < results.size(); ++i) {
      auto& [type, bytes] = results[i];
      auto output = Napi::Object::New(env);
      output.Set("type", from_type(env, type));
      output.Set("bytes", Napi::Buffer<uint8_t>::Copy(env, bytes.data(), bytes.size()));
      outputs.Set(i, output);
    }
    return outputs;
  });
}

Napi::Value on_hang_up(const Napi::CallbackInfo& info) {
  exit_on_hang_up(info[0].ToNumber().Int32Value(), info[1].ToNumber().Int32Value());
  return info.Env().Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("versions", Napi::Function::New(env, versions, "versions"));
  exports.Set("opNames", Napi::Function::New(env, op_names, "opNames"));
  exports.Set("inferTypes", Napi::Function::New(env, infer, "inferTypes"));
  exports.Set("exitOnHangUp", Napi::Function::New(env, on_hang_up, "exitOnHangUp"));
  exports.Set("Engine", EngineObject::define(env));
  exports.Set("evalOp", Napi::Function::New(env, eval_op, "evalOp"));
  return exports;
}

}  // namespace

}  // namespace davit::node

static Napi::Object init_davit(Napi::Env env, Napi::Object exports) {
  return davit::node::init(env, exports);
}

NODE_API_MODULE(davit, init_davit)
