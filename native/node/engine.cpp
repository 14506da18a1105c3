#include "node/engine.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "node/convert.h"

namespace davit::node {

namespace {

// Below this a copy is cheaper than an ArrayBuffer over foreign memory.
constexpr size_t kCopyBytes = 4 << 10;

int64_t id_of(const Napi::Value& value) { return value.ToNumber().Int64Value(); }

std::string text_of(const Napi::Value& value) { return value.ToString().Utf8Value(); }

// An ArrayBuffer over memory that `owner` keeps alive; a copy where the runtime allows no foreign
// memory.
template <typename Owner>
Napi::ArrayBuffer over(Napi::Env env, void* data, size_t bytes, Owner owner) {
  if (bytes >= kCopyBytes) {
    auto* kept = new Owner(std::move(owner));
    napi_value buffer = nullptr;
    auto status = napi_create_external_arraybuffer(
        env, data, bytes, [](napi_env, void*, void* hint) { delete static_cast<Owner*>(hint); },
        kept, &buffer);
    if (status == napi_ok) return Napi::ArrayBuffer(env, buffer);
    owner = std::move(*kept);
    delete kept;
  }
  auto buffer = Napi::ArrayBuffer::New(env, bytes);
  if (bytes > 0) std::memcpy(buffer.Data(), data, bytes);
  return buffer;
}

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

mx::array read_file(const std::string& path, int64_t offset, const TensorType& type) {
  // What was a file may be a pipe by now, which must not be waited for.
  int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) {
    throw RunError("file_unreadable", path + ": " + std::strerror(errno));
  }
  try {
    auto array = allocate_array(type);
    auto* out = array.data<uint8_t>();
    size_t left = array.nbytes();
    while (left > 0) {
      ssize_t count = ::pread(file, out, left, offset);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) {
        throw RunError(
            "file_unreadable",
            path + ": " + (count < 0 ? std::strerror(errno) : "ends before the tensor does"));
      }
      out += count;
      offset += count;
      left -= static_cast<size_t>(count);
    }
    ::close(file);
    return array;
  } catch (...) {
    ::close(file);
    throw;
  }
}

Policy to_policy(const std::string& name) {
  if (name == "every") return Policy::every;
  if (name == "latest") return Policy::latest;
  if (name == "sample") return Policy::sample;
  if (name == "rate") return Policy::rate;
  throw OpError("policy_invalid", "\"" + name + "\" is no policy");
}

View to_view(const Napi::Object& object) {
  View view;
  auto kind = text_of(object.Get("kind"));
  if (kind == "full") return view;
  if (kind == "summary") {
    view.kind = View::Kind::summary;
    view.bins = static_cast<int>(id_of(object.Get("bins")));
    return view;
  }
  if (kind != "slice") throw OpError("view_invalid", "\"" + kind + "\" is no view");
  view.kind = View::Kind::slice;
  for (int64_t start : to_integers(object.Get("start"))) {
    view.start.push_back(static_cast<int>(start));
  }
  for (int64_t size : to_integers(object.Get("size"))) view.size.push_back(static_cast<int>(size));
  return view;
}

Napi::Array from_ids(Napi::Env env, const std::vector<int64_t>& ids) {
  auto list = Napi::Array::New(env, ids.size());
  for (uint32_t i = 0; i < ids.size(); ++i) list.Set(i, static_cast<double>(ids[i]));
  return list;
}

}  // namespace

Napi::Function EngineObject::define(Napi::Env env) {
  return DefineClass(env, "Engine",
                     {
                         InstanceMethod<&EngineObject::load_program>("loadProgram"),
                         InstanceMethod<&EngineObject::unload_program>("unloadProgram"),
                         InstanceMethod<&EngineObject::create_queue>("createQueue"),
                         InstanceMethod<&EngineObject::close_queue>("closeQueue"),
                         InstanceMethod<&EngineObject::put>("put"),
                         InstanceMethod<&EngineObject::allocate>("allocate"),
                         InstanceMethod<&EngineObject::publish>("publish"),
                         InstanceMethod<&EngineObject::fail>("fail"),
                         InstanceMethod<&EngineObject::type_of_value>("typeOf"),
                         InstanceMethod<&EngineObject::read>("read"),
                         InstanceMethod<&EngineObject::release>("release"),
                         InstanceMethod<&EngineObject::free>("free"),
                         InstanceMethod<&EngineObject::file_value>("fileValue"),
                         InstanceMethod<&EngineObject::run>("run"),
                         InstanceMethod<&EngineObject::poll>("poll"),
                         InstanceMethod<&EngineObject::cancel>("cancel"),
                         InstanceMethod<&EngineObject::reply>("reply"),
                         InstanceMethod<&EngineObject::reply_error>("replyError"),
                         InstanceMethod<&EngineObject::create_channel>("createChannel"),
                         InstanceMethod<&EngineObject::close_channel>("closeChannel"),
                         InstanceMethod<&EngineObject::credit>("credit"),
                         InstanceMethod<&EngineObject::create_subscription>("createSubscription"),
                         InstanceMethod<&EngineObject::close_subscription>("closeSubscription"),
                         InstanceMethod<&EngineObject::watch>("watch"),
                         InstanceMethod<&EngineObject::memory>("memory"),
                         InstanceMethod<&EngineObject::counters>("counters"),
                         InstanceMethod<&EngineObject::set_alive>("setAlive"),
                     });
}

EngineObject::EngineObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<EngineObject>(info) {
  auto env = info.Env();
  guarded(env, [&] {
    auto object = info[0].As<Napi::Object>();
    auto on_batch = object.Get("onBatch").As<Napi::Function>();
    on_batch_ = Napi::Persistent(on_batch);
    on_more_ = Napi::Persistent(object.Get("onMore").As<Napi::Function>());
    host_ = std::make_shared<Host>();
    host_->wake = Napi::ThreadSafeFunction::New(env, on_batch, "davit", 0, 1);
    host_->wake.Unref(env);
    // Lanes outlive what their host makes of them: neither this object is collected, nor does a
    // lane call into an environment that is gone.
    Ref();
    env.AddCleanupHook(
        [](std::shared_ptr<Host>* host) {
          std::lock_guard lock((*host)->mutex);
          (*host)->gone = true;
          delete host;
        },
        new std::shared_ptr<Host>(host_));
    EngineOptions options;
    options.lanes = static_cast<int>(id_of(object.Get("lanes")));
    options.memory_limit = static_cast<size_t>(id_of(object.Get("memoryLimit")));
    options.cache_limit = static_cast<size_t>(id_of(object.Get("cacheLimit")));
    options.device = text_of(object.Get("device")) == "gpu" ? mx::Device::gpu : mx::Device::cpu;
    if (!mx::is_available(options.device)) {
      throw OpError("device_unavailable", "this build of MLX finds no GPU");
    }
    options.wake = [host = host_, this] {
      std::lock_guard lock(host->mutex);
      if (host->gone) return;
      host->wake.NonBlockingCall([this](Napi::Env to, Napi::Function callback) {
        if (static_cast<napi_env>(to) == nullptr) return;
        try {
          deliver(to, callback);
        } catch (const Napi::Error&) {
          // The environment is being ended, and allows no more calls.
        }
      });
    };
    engine_ = new Engine(std::move(options));
  });
}

void EngineObject::deliver(Napi::Env env, Napi::Function on_batch) {
  Batch batch = engine_->take_batch();
  if (!batch.empty()) hand_over(env, on_batch, std::move(batch));
  // What has come meanwhile waits for the event loop's next turn: others want to be served, too.
  if (engine_->outbox().more()) {
    napi_call_function(env, env.Undefined(), on_more_.Value(), 0, nullptr, nullptr);
  }
}

void EngineObject::hand_over(Napi::Env env, Napi::Function on_batch, Batch batch) {
  auto words_buffer = Napi::ArrayBuffer::New(env, batch.words.size() * sizeof(double));
  std::memcpy(words_buffer.Data(), batch.words.data(), words_buffer.ByteLength());
  auto texts = Napi::Array::New(env, batch.texts.size());
  for (uint32_t i = 0; i < batch.texts.size(); ++i) texts.Set(i, batch.texts[i]);
  auto blobs = Napi::Array::New(env, batch.blobs.size());
  for (uint32_t i = 0; i < batch.blobs.size(); ++i) {
    auto blob = std::move(batch.blobs[i]);
    auto* data = blob.data();  // the heap block stays where it is when the vector is moved
    size_t bytes = blob.size();
    blobs.Set(i, over(env, data, bytes, std::move(blob)));
  }
  auto object = Napi::Object::New(env);
  object.Set("words", Napi::Float64Array::New(env, batch.words.size(), words_buffer, 0));
  auto* bytes = batch.bytes.data();
  size_t byte_count = batch.bytes.size();
  object.Set("bytes", over(env, bytes, byte_count, std::move(batch.bytes)));
  object.Set("blobs", blobs);
  object.Set("texts", texts);
  // What it throws, or the environment's end, is for the caller, a thread-safe function, to handle.
  napi_value argument = object;
  napi_call_function(env, env.Undefined(), on_batch, 1, &argument, nullptr);
}

void EngineObject::check_size(const TensorType& type) const {
  size_t bytes = byte_size(type);
  size_t limit = engine_->memory_limit();
  if (limit > 0 && bytes > limit) {
    throw OpError("too_large", "a tensor " + to_string(type) + " has " + std::to_string(bytes) +
                                   " bytes; the memory limit is " + std::to_string(limit));
  }
}

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

Napi::Value EngineObject::put(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto type = to_type(info[0]);
    auto bytes = to_bytes(info[1]);
    check_size(type);
    if (bytes.size() != byte_size(type)) {
      throw OpError("bytes_mismatch", "a tensor " + to_string(type) + " has " +
                                          std::to_string(byte_size(type)) + " bytes, not " +
                                          std::to_string(bytes.size()));
    }
    auto array = allocate_array(type);
    if (!bytes.empty()) std::memcpy(array.data<uint8_t>(), bytes.data(), bytes.size());
    auto value = std::make_shared<davit::Value>(std::move(type));
    value->set(std::move(array));
    return Napi::Number::New(env, static_cast<double>(engine_->values().add(std::move(value))));
  });
}

Napi::Value EngineObject::allocate(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto type = to_type(info[0]);
    check_size(type);
    auto array = allocate_array(type);
    auto* data = array.size() == 0 ? nullptr : array.data<uint8_t>();
    size_t bytes = array.nbytes();
    // Always over the engine's memory, however small: it is going to be written.
    auto* kept = new mx::array(array);
    napi_value buffer = nullptr;
    auto status =
        bytes == 0 ? napi_invalid_arg
                   : napi_create_external_arraybuffer(
                         env, data, bytes,
                         [](napi_env, void*, void* hint) { delete static_cast<mx::array*>(hint); },
                         kept, &buffer);
    if (status != napi_ok) {
      delete kept;
      if (bytes > 0) {
        throw OpError("external_memory", "this runtime allows no views of foreign memory");
      }
      buffer = Napi::ArrayBuffer::New(env, 0);
    }
    auto id = engine_->values().add(std::make_shared<davit::Value>(type));
    filling_.emplace(id, std::move(array));
    auto result = Napi::Object::New(env);
    result.Set("value", static_cast<double>(id));
    result.Set("bytes", Napi::Value(env, buffer));
    return result;
  });
}

Napi::Value EngineObject::publish(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  guarded(env, [&] {
    auto id = id_of(info[0]);
    auto filled = filling_.extract(id);
    if (!filled) throw OpError("not_allocated", "only an allocated tensor can be published");
    engine_->settle(*engine_->values().get(id), std::move(filled.mapped()));
  });
  return env.Undefined();
}

Napi::Value EngineObject::fail(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  guarded(env, [&] {
    filling_.erase(id_of(info[0]));
    engine_->settle(*engine_->values().get(id_of(info[0])),
                    std::make_shared<Failure>(Failure{text_of(info[1]), text_of(info[2])}));
  });
  return env.Undefined();
}

Napi::Value EngineObject::type_of_value(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    return from_type(env, engine_->values().get(id_of(info[0]))->type());
  });
}

Napi::Value EngineObject::read(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    try {
      const auto& array = engine_->values().get(id_of(info[0]))->array();
      if (array.size() == 0) return Napi::ArrayBuffer::New(env, 0);
      if (array.flags().row_contiguous) {
        void* data = const_cast<uint8_t*>(array.data<uint8_t>());
        return over(env, data, array.nbytes(), array);
      }
      auto buffer = Napi::ArrayBuffer::New(env, array.nbytes());
      copy_rows(array, static_cast<uint8_t*>(buffer.Data()));
      return buffer;
    } catch (const RunError& error) {
      auto failure = make_error(env, error.failure()->code, error.failure()->message);
      failure.Set("site", Napi::Number::New(env, error.failure()->site));
      throw failure;
    }
  });
}

Napi::Value EngineObject::release(const Napi::CallbackInfo& info) {
  // The buffer gives its memory back when it is detached, not when it is garbage of JavaScript.
  info[0].As<Napi::ArrayBuffer>().Detach();
  return info.Env().Undefined();
}

Napi::Value EngineObject::free(const Napi::CallbackInfo& info) {
  auto id = id_of(info[0]);
  if (filling_.erase(id) > 0) {
    // Runs that wait for it would wait for ever.
    engine_->settle(*engine_->values().get(id),
                    std::make_shared<Failure>(
                        Failure{"tensor_freed", "the tensor was freed before it was filled"}));
  }
  engine_->values().remove(id);
  return info.Env().Undefined();
}

Napi::Value EngineObject::file_value(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto path = text_of(info[0]);
    auto offset = id_of(info[1]);
    auto type = to_type(info[2]);
    check_size(type);
    auto value = std::make_shared<davit::Value>(
        type, [path, offset, type] { return read_file(path, offset, type); });
    return Napi::Number::New(env, static_cast<double>(engine_->values().add(std::move(value))));
  });
}

Napi::Value EngineObject::run(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    std::vector<std::pair<int, int64_t>> watches;
    if (info.Length() > 4 && info[4].IsArray()) {
      auto flat = to_integers(info[4]);
      for (size_t i = 0; i + 1 < flat.size(); i += 2) {
        watches.emplace_back(static_cast<int>(flat[i]), flat[i + 1]);
      }
    }
    auto outputs =
        engine_->run(id_of(info[0]), id_of(info[1]), id_of(info[2]), to_integers(info[3]), watches);
    return from_ids(env, outputs);
  });
}

Napi::Value EngineObject::poll(const Napi::CallbackInfo& info) {
  deliver(info.Env(), on_batch_.Value());
  return info.Env().Undefined();
}

Napi::Value EngineObject::cancel(const Napi::CallbackInfo& info) {
  engine_->cancel(id_of(info[0]), text_of(info[1]), text_of(info[2]));
  return info.Env().Undefined();
}

Napi::Value EngineObject::reply(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  guarded(env, [&] { engine_->reply(id_of(info[0]), id_of(info[1]), to_integers(info[2])); });
  return env.Undefined();
}

Napi::Value EngineObject::reply_error(const Napi::CallbackInfo& info) {
  engine_->reply_error(id_of(info[0]), id_of(info[1]), text_of(info[2]), text_of(info[3]));
  return info.Env().Undefined();
}

Napi::Value EngineObject::create_channel(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(),
                           static_cast<double>(engine_->create_channel(id_of(info[0]))));
}

Napi::Value EngineObject::close_channel(const Napi::CallbackInfo& info) {
  engine_->close_channel(id_of(info[0]));
  return info.Env().Undefined();
}

Napi::Value EngineObject::credit(const Napi::CallbackInfo& info) {
  engine_->credit(id_of(info[0]), id_of(info[1]));
  return info.Env().Undefined();
}

Napi::Value EngineObject::create_subscription(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto object = info[0].As<Napi::Object>();
    auto id = engine_->create_subscription(id_of(object.Get("channel")),
                                           to_policy(text_of(object.Get("policy"))),
                                           object.Get("interval").ToNumber().DoubleValue(),
                                           to_view(object.Get("view").As<Napi::Object>()));
    return Napi::Number::New(env, static_cast<double>(id));
  });
}

Napi::Value EngineObject::close_subscription(const Napi::CallbackInfo& info) {
  engine_->close_subscription(id_of(info[0]));
  return info.Env().Undefined();
}

Napi::Value EngineObject::watch(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  guarded(env, [&] { engine_->watch(id_of(info[0]), id_of(info[1]), to_integers(info[2])); });
  return env.Undefined();
}

Napi::Value EngineObject::memory(const Napi::CallbackInfo& info) {
  auto object = Napi::Object::New(info.Env());
  object.Set("active", static_cast<double>(mx::get_active_memory()));
  object.Set("peak", static_cast<double>(mx::get_peak_memory()));
  object.Set("cache", static_cast<double>(mx::get_cache_memory()));
  object.Set("limit", static_cast<double>(engine_->memory_limit()));
  return object;
}

Napi::Value EngineObject::counters(const Napi::CallbackInfo& info) {
  const auto& counters = engine_->counters();
  auto object = Napi::Object::New(info.Env());
  object.Set("runs", static_cast<double>(counters.runs.load()));
  object.Set("compiled", static_cast<double>(counters.compiled.load()));
  object.Set("compileMicroseconds", static_cast<double>(counters.compile_microseconds.load()));
  object.Set("tensors", static_cast<double>(engine_->values().size()));
  return object;
}

Napi::Value EngineObject::set_alive(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  if (info[0].ToBoolean()) {
    host_->wake.Ref(env);
  } else {
    host_->wake.Unref(env);
  }
  return env.Undefined();
}

}  // namespace davit::node
