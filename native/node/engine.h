// The class `Engine` of the addon: see NativeEngine in src/native.ts. Its methods are in
// programs.cpp, tensors.cpp and hooks.cpp, and what concerns all of it in engine.cpp.
#pragma once

#include <napi.h>

#include <unordered_map>

#include "engine/engine.h"
#include "node/collector.h"

namespace davit::node {

// A tensor with these values, ready at once; throws OpError where it has another length.
ValuePtr to_value(TensorType type, std::span<const uint8_t> bytes);

class EngineObject : public Napi::ObjectWrap<EngineObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit EngineObject(const Napi::CallbackInfo& info);
  ~EngineObject() override;

 private:
  Napi::Value load_program(const Napi::CallbackInfo& info);
  Napi::Value unload_program(const Napi::CallbackInfo& info);
  Napi::Value export_programs(const Napi::CallbackInfo& info);
  Napi::Value create_queue(const Napi::CallbackInfo& info);
  Napi::Value close_queue(const Napi::CallbackInfo& info);
  Napi::Value put(const Napi::CallbackInfo& info);
  Napi::Value allocate(const Napi::CallbackInfo& info);
  Napi::Value publish(const Napi::CallbackInfo& info);
  Napi::Value fail(const Napi::CallbackInfo& info);
  Napi::Value type_of_value(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value writable(const Napi::CallbackInfo& info);
  Napi::Value layout(const Napi::CallbackInfo& info);
  Napi::Value release(const Napi::CallbackInfo& info);
  Napi::Value hold(const Napi::CallbackInfo& info);
  Napi::Value free(const Napi::CallbackInfo& info);
  Napi::Value share(const Napi::CallbackInfo& info);
  Napi::Value file_value(const Napi::CallbackInfo& info);
  Napi::Value run(const Napi::CallbackInfo& info);
  Napi::Value run_here(const Napi::CallbackInfo& info);
  Napi::Value make_here(const Napi::CallbackInfo& info);
  Napi::Value cancel(const Napi::CallbackInfo& info);
  Napi::Value reply(const Napi::CallbackInfo& info);
  Napi::Value reply_error(const Napi::CallbackInfo& info);
  Napi::Value create_credit_budget(const Napi::CallbackInfo& info);
  Napi::Value close_credit_budget(const Napi::CallbackInfo& info);
  Napi::Value credit(const Napi::CallbackInfo& info);
  Napi::Value create_subscription(const Napi::CallbackInfo& info);
  Napi::Value close_subscription(const Napi::CallbackInfo& info);
  Napi::Value subscribe(const Napi::CallbackInfo& info);
  Napi::Value handles(const Napi::CallbackInfo& info);
  Napi::Value held_bytes(const Napi::CallbackInfo& info);
  Napi::Value memory(const Napi::CallbackInfo& info);
  Napi::Value counters(const Napi::CallbackInfo& info);
  // Sets whether the process stays alive for the engine's runs.
  Napi::Value set_alive(const Napi::CallbackInfo& info);

  // Frees a tensor's name.
  void free_value(int64_t id);
  // Throws where the tensor is larger than the engine may hold.
  void check_size(const TensorType& type) const;
  // Tensors: ids of those that there are, and the bytes of others, which have these types.
  std::vector<ValuePtr> to_values(const Napi::Value& value,
                                  const std::vector<TensorType>& types) const;
  std::vector<ValuePtr> to_inputs(int64_t program, const Napi::Value& value) const;
  Napi::Value poll(const Napi::CallbackInfo& info);
  // Ends lanes and wake-ups, for when no run is under way.
  Napi::Value close(const Napi::CallbackInfo& info);
  // Hands the outbox to JavaScript; on the JavaScript thread.
  void deliver(Napi::Env env, Napi::Function on_batch);
  void hand_over(Napi::Env env, Napi::Function on_batch, Batch batch);

  // Not destroyed while its lanes may work: the environment's end does not wait for them.
  Engine* engine_ = nullptr;
  // The JavaScript side, as lanes see it.
  struct Host {
    std::mutex mutex;
    bool gone = false;    // wake-ups have no effect any more
    bool closed = false;  // for the environment's thread
    Napi::ThreadSafeFunction wake;
  };
  std::shared_ptr<Host> host_;
  Napi::FunctionReference on_batch_;
  Napi::FunctionReference on_more_;
  Napi::Reference<Napi::Float64Array> words_;  // of one batch after the other
  // Tensors that were allocated and not yet published; a run may have taken a name away.
  struct Filling {
    ValuePtr value;
    mx::array array;
  };
  std::unordered_map<int64_t, Filling> filling_;
  std::shared_ptr<Handles> handles_;
};

}  // namespace davit::node
