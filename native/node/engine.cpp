#include "node/engine.h"

#include <algorithm>

#include "interpose/interpose.h"
#include "node/convert.h"

namespace davit::node {

namespace {

// Most batches fit into so many words.
constexpr size_t kWords = 32 << 10;

}  // namespace

Napi::Function EngineObject::define(Napi::Env env) {
  return DefineClass(env, "Engine",
                     {
                         InstanceMethod<&EngineObject::load_program>("loadProgram"),
                         InstanceMethod<&EngineObject::unload_program>("unloadProgram"),
                         InstanceMethod<&EngineObject::export_programs>("exportPrograms"),
                         InstanceMethod<&EngineObject::create_queue>("createQueue"),
                         InstanceMethod<&EngineObject::close_queue>("closeQueue"),
                         InstanceMethod<&EngineObject::put>("put"),
                         InstanceMethod<&EngineObject::allocate>("allocate"),
                         InstanceMethod<&EngineObject::publish>("publish"),
                         InstanceMethod<&EngineObject::fail>("fail"),
                         InstanceMethod<&EngineObject::type_of_value>("typeOf"),
                         InstanceMethod<&EngineObject::read>("read"),
                         InstanceMethod<&EngineObject::writable>("writable"),
                         InstanceMethod<&EngineObject::layout>("layout"),
                         InstanceMethod<&EngineObject::release>("release"),
                         InstanceMethod<&EngineObject::hold>("hold"),
                         InstanceMethod<&EngineObject::free>("free"),
                         InstanceMethod<&EngineObject::share>("share"),
                         InstanceMethod<&EngineObject::file_value>("fileValue"),
                         InstanceMethod<&EngineObject::run>("run"),
                         InstanceMethod<&EngineObject::run_here>("runHere"),
                         InstanceMethod<&EngineObject::make_here>("makeHere"),
                         InstanceMethod<&EngineObject::poll>("poll"),
                         InstanceMethod<&EngineObject::cancel>("cancel"),
                         InstanceMethod<&EngineObject::reply>("reply"),
                         InstanceMethod<&EngineObject::reply_error>("replyError"),
                         InstanceMethod<&EngineObject::create_credit_budget>("createCreditBudget"),
                         InstanceMethod<&EngineObject::close_credit_budget>("closeCreditBudget"),
                         InstanceMethod<&EngineObject::credit>("credit"),
                         InstanceMethod<&EngineObject::create_subscription>("createSubscription"),
                         InstanceMethod<&EngineObject::close_subscription>("closeSubscription"),
                         InstanceMethod<&EngineObject::subscribe>("subscribe"),
                         InstanceMethod<&EngineObject::handles>("handles"),
                         InstanceMethod<&EngineObject::held_bytes>("heldBytes"),
                         InstanceMethod<&EngineObject::memory>("memory"),
                         InstanceMethod<&EngineObject::counters>("counters"),
                         InstanceMethod<&EngineObject::set_alive>("setAlive"),
                         InstanceMethod<&EngineObject::close>("close"),
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
    // Until it is closed, neither this object is collected, nor does a lane call into an
    // environment that is gone.
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
      host->wake.NonBlockingCall([host, this](Napi::Env to, Napi::Function callback) {
        if (static_cast<napi_env>(to) == nullptr || host->gone) return;
        try {
          deliver(to, callback);
        } catch (const Napi::Error&) {
          // The environment is being ended, and allows no more calls.
        }
      });
    };
    auto& collector = Collector::of(env);
    options.relief = collector.relief();
    interpose::relieve_thread_by(options.relief);
    handles_ = std::make_shared<Handles>(collector, [this](int64_t id) { free_value(id); });
    engine_ = new Engine(std::move(options));
  });
}

EngineObject::~EngineObject() {
  // At the environment's end lanes may still be at work.
  if (host_ && host_->closed) delete engine_;
  if (handles_) handles_->close();
}

Napi::Value EngineObject::close(const Napi::CallbackInfo& info) {
  if (host_->closed) return info.Env().Undefined();
  host_->closed = true;
  engine_->close();
  {
    std::lock_guard lock(host_->mutex);
    host_->gone = true;
  }
  host_->wake.Release();
  on_batch_.Reset();
  on_more_.Reset();
  words_.Reset();
  Unref();
  return info.Env().Undefined();
}

void EngineObject::deliver(Napi::Env env, Napi::Function on_batch) {
  Batch batch = engine_->take_batch();
  if (!batch.empty()) hand_over(env, on_batch, std::move(batch));
  // Records that came meanwhile wait for the event loop's next turn, so that others are served,
  // too.
  if (engine_->outbox().more()) {
    napi_call_function(env, env.Undefined(), on_more_.Value(), 0, nullptr, nullptr);
  }
}

void EngineObject::hand_over(Napi::Env env, Napi::Function on_batch, Batch batch) {
  if (words_.IsEmpty() || words_.Value().ElementLength() < batch.words.size()) {
    auto words = Napi::Float64Array::New(env, std::max(kWords, batch.words.size()));
    words_ = Napi::Persistent(words);
  }
  auto words = words_.Value();
  std::copy(batch.words.begin(), batch.words.end(), words.Data());
  napi_value undefined = env.Undefined();
  napi_value arguments[] = {words, Napi::Number::New(env, static_cast<double>(batch.words.size())),
                            undefined, undefined, undefined};
  if (!batch.bytes.empty()) {
    auto* bytes = batch.bytes.data();  // the heap block stays where it is when the vector is moved
    size_t count = batch.bytes.size();
    arguments[2] = over(env, bytes, count, std::move(batch.bytes));
  }
  if (!batch.blobs.empty()) {
    auto blobs = Napi::Array::New(env, batch.blobs.size());
    for (uint32_t i = 0; i < batch.blobs.size(); ++i) {
      auto blob = std::move(batch.blobs[i]);
      auto* data = blob.data();
      size_t bytes = blob.size();
      blobs.Set(i, over(env, data, bytes, std::move(blob)));
    }
    arguments[3] = blobs;
  }
  if (!batch.texts.empty()) {
    auto texts = Napi::Array::New(env, batch.texts.size());
    for (uint32_t i = 0; i < batch.texts.size(); ++i) texts.Set(i, batch.texts[i]);
    arguments[4] = texts;
  }
  // The caller, a thread-safe function, handles an exception and the environment's end.
  napi_call_function(env, env.Undefined(), on_batch, 5, arguments, nullptr);
}

Napi::Value EngineObject::poll(const Napi::CallbackInfo& info) {
  if (!host_->closed) deliver(info.Env(), on_batch_.Value());
  return info.Env().Undefined();
}

Napi::Value EngineObject::handles(const Napi::CallbackInfo& info) {
  auto ids = handles_->ids();
  auto list = Napi::Float64Array::New(info.Env(), ids.size());
  std::copy(ids.begin(), ids.end(), list.Data());
  return list;
}

Napi::Value EngineObject::held_bytes(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    std::unordered_map<const void*, size_t> buffers;
    auto count = [&](davit::Value& value) {
      // One that is still to be read from a file has no memory.
      const auto* array = value.ready();
      if (array == nullptr || array->size() == 0) return;
      buffers.emplace(array->data_shared_ptr().get(), array->buffer_size());
    };
    // There may be a million of them.
    auto ids = info[0].As<Napi::Float64Array>();
    for (double id : std::span(ids.Data(), ids.ElementLength())) {
      if (auto value = engine_->values().find(static_cast<int64_t>(id))) count(*value);
    }
    for (int64_t id : to_integers(info[1])) {
      for (const auto& bound : engine_->program(id)->bound_values()) count(*bound);
    }
    size_t bytes = 0;
    for (const auto& [_, size] : buffers) bytes += size;
    return Napi::Number::New(env, static_cast<double>(bytes));
  });
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
  if (host_->closed) return env.Undefined();
  if (info[0].ToBoolean()) {
    host_->wake.Ref(env);
  } else {
    host_->wake.Unref(env);
  }
  return env.Undefined();
}

}  // namespace davit::node
