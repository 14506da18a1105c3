// Programs, queues and runs.
#include "node/convert.h"
#include "node/engine.h"

namespace davit::node {

namespace {

Node to_node(Engine& engine, const Napi::Object& object) {
  Node node;
  node.op = text_of(object.Get("op"));
  for (int64_t input : to_integers(object.Get("inputs"))) {
    node.inputs.push_back(static_cast<int>(input));
  }
  auto attributes = object.Get("attributes").As<Napi::Object>();
  node.attributes = to_attributes(attributes);
  node.outputs = to_types(object.Get("outputs"));
  node.watchable = object.Get("watchable").ToBoolean();
  auto value = node.attributes.find("value");
  if (node.op == "constant" && value != node.attributes.end()) {
    node.bound = engine.values().get(static_cast<int64_t>(std::get<double>(value->second)));
  }
  return node;
}

Function to_function(Engine& engine, const Napi::Object& object) {
  Function function;
  function.parameters = to_types(object.Get("parameters"));
  auto nodes = object.Get("nodes").As<Napi::Array>();
  function.nodes.reserve(nodes.Length());
  for (uint32_t i = 0; i < nodes.Length(); ++i) {
    Napi::HandleScope scope(object.Env());
    function.nodes.push_back(to_node(engine, nodes.Get(i).As<Napi::Object>()));
  }
  for (int64_t result : to_integers(object.Get("results"))) {
    function.results.push_back(static_cast<int>(result));
  }
  return function;
}

Napi::Array from_ids(Napi::Env env, const std::vector<int64_t>& ids) {
  auto list = Napi::Array::New(env, ids.size());
  for (uint32_t i = 0; i < ids.size(); ++i) list.Set(i, static_cast<double>(ids[i]));
  return list;
}

}  // namespace

Napi::Value EngineObject::load_program(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto list = info[0].As<Napi::Array>();
    std::vector<Function> functions;
    for (uint32_t i = 0; i < list.Length(); ++i) {
      functions.push_back(to_function(*engine_, list.Get(i).As<Napi::Object>()));
    }
    return Napi::Number::New(env, static_cast<double>(engine_->load_program(std::move(functions))));
  });
}

Napi::Value EngineObject::unload_program(const Napi::CallbackInfo& info) {
  engine_->unload_program(id_of(info[0]));
  return info.Env().Undefined();
}

Napi::Value EngineObject::create_queue(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(engine_->create_queue()));
}

Napi::Value EngineObject::close_queue(const Napi::CallbackInfo& info) {
  engine_->close_queue(id_of(info[0]));
  return info.Env().Undefined();
}

std::vector<ValuePtr> EngineObject::to_values(const Napi::Value& value,
                                              const std::vector<TensorType>& types) const {
  auto list = value.As<Napi::Array>();
  std::vector<ValuePtr> values(list.Length());
  for (uint32_t i = 0; i < values.size(); ++i) {
    Napi::Value item = list.Get(i);
    if (item.IsNumber()) {
      values[i] = engine_->values().get(id_of(item));
      continue;
    }
    if (i >= types.size()) {
      throw OpError("reply_invalid", "the reply has " + std::to_string(values.size()) +
                                         " values, not " + std::to_string(types.size()));
    }
    check_size(types[i]);
    values[i] = to_value(types[i], to_bytes(item));
  }
  return values;
}

std::vector<ValuePtr> EngineObject::to_inputs(int64_t program, const Napi::Value& value) const {
  auto known = engine_->program(program);
  known->check_input_count(value.As<Napi::Array>().Length());
  return to_values(value, known->entry().parameters);
}

Napi::Value EngineObject::run(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    std::vector<std::pair<int, int64_t>> subscriptions;
    if (info.Length() > 4 && info[4].IsArray()) {
      auto flat = to_integers(info[4]);
      for (size_t i = 0; i + 1 < flat.size(); i += 2) {
        subscriptions.emplace_back(static_cast<int>(flat[i]), flat[i + 1]);
      }
    }
    std::vector<int64_t> donated;
    if (info.Length() > 5 && info[5].IsArray()) donated = to_integers(info[5]);
    auto program = id_of(info[1]);
    auto outputs = engine_->run(id_of(info[0]), program, id_of(info[2]),
                                to_inputs(program, info[3]), subscriptions, donated);
    for (int64_t value : donated) handles_->release(value);
    return from_ids(env, outputs);
  });
}

Napi::Value EngineObject::run_here(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto program = id_of(info[0]);
    auto results = engine_->run_here(program, id_of(info[1]), to_inputs(program, info[2]));
    if (!results) return env.Undefined();
    auto list = Napi::Array::New(env, results->size());
    for (uint32_t i = 0; i < results->size(); ++i) list.Set(i, from_array(env, (*results)[i]));
    return list;
  });
}

Napi::Value EngineObject::make_here(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto program = id_of(info[0]);
    auto ids = engine_->make_here(program, id_of(info[1]), to_inputs(program, info[2]));
    return ids ? from_ids(env, *ids) : env.Undefined();
  });
}

Napi::Value EngineObject::cancel(const Napi::CallbackInfo& info) {
  engine_->cancel(id_of(info[0]), text_of(info[1]), text_of(info[2]));
  return info.Env().Undefined();
}

Napi::Value EngineObject::reply(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  guarded(env, [&] {
    auto run = id_of(info[0]);
    auto callback = id_of(info[1]);
    auto types = engine_->reply_types(run, callback);
    if (types) engine_->reply(run, callback, to_values(info[2], *types));
  });
  return env.Undefined();
}

Napi::Value EngineObject::reply_error(const Napi::CallbackInfo& info) {
  engine_->reply_error(id_of(info[0]), id_of(info[1]), text_of(info[2]), text_of(info[3]));
  return info.Env().Undefined();
}

}  // namespace davit::node
