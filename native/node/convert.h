// Conversions between JavaScript values and the engine's own types.
#pragma once

#include <napi.h>

#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/failure.h"
#include "engine/value.h"
#include "node/collector.h"
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

int64_t id_of(const Napi::Value& value);

std::string text_of(const Napi::Value& value);

// Below this a copy is cheaper than an ArrayBuffer over foreign memory.
inline constexpr size_t kCopyBytes = 4 << 10;

// Whether buffers may be over the engine's memory as far as we are concerned:
// DAVIT_EXTERNAL_BUFFERS=0 makes it as in a runtime that allows none.
bool foreign_memory_allowed();

// Memory that JavaScript did not have before, or that of a tensor that it has.
enum class Memory { fresh, held };

// What an ArrayBuffer over the engine's memory keeps alive.
struct Kept {
  std::shared_ptr<void> owner;
  size_t bytes;
};

// An ArrayBuffer over memory that `owner` keeps alive; nothing, and `owner` as it was, where the
// runtime allows no foreign memory.
template <typename Owner>
std::optional<Napi::ArrayBuffer> external(Napi::Env env, void* data, size_t bytes, Owner& owner,
                                          Memory memory = Memory::fresh) {
  if (!foreign_memory_allowed()) return std::nullopt;
  auto held = std::make_shared<Owner>(std::move(owner));
  auto* kept = new Kept{held, bytes};
  auto finalize = [](napi_env of, void*, void* hint) {
    auto* done = static_cast<Kept*>(hint);
    Collector::of(of).shrink(done->bytes);
    delete done;
  };
  napi_value buffer = nullptr;
  if (napi_create_external_arraybuffer(env, data, bytes, finalize, kept, &buffer) != napi_ok) {
    owner = std::move(*held);
    delete kept;
    return std::nullopt;
  }
  // For detach(). Without it, only the garbage collector lets go.
  napi_wrap(env, buffer, kept, nullptr, nullptr, nullptr);
  if (memory == Memory::fresh) {
    Collector::of(env).grow(bytes);
  } else {
    Collector::of(env).share(bytes);
  }
  return Napi::ArrayBuffer(env, buffer);
}

// Detaches an ArrayBuffer, and lets go of the engine's memory where it is over it. Node itself
// calls the function that would when the event loop has turned.
void detach(Napi::ArrayBuffer buffer);

// The same for memory that need not be written to: a copy where it is short, or no foreign memory
// is allowed.
template <typename Owner>
Napi::ArrayBuffer over(Napi::Env env, void* data, size_t bytes, Owner owner,
                       Memory memory = Memory::fresh) {
  if (bytes >= kCopyBytes) {
    auto buffer = external(env, data, bytes, owner, memory);
    if (buffer) return *buffer;
  }
  auto buffer = Napi::ArrayBuffer::New(env, bytes);
  if (bytes > 0) std::memcpy(buffer.Data(), data, bytes);
  return buffer;
}

// The bytes of an evaluated array, row by row; without a copy where its memory has no gaps.
Napi::ArrayBuffer from_array(Napi::Env env, const mx::array& array, Memory memory = Memory::fresh);

// Runs a function and throws what it throws as a JavaScript error with a `code`.
template <typename Function>
auto guarded(Napi::Env env, Function&& function) -> decltype(function());

// A JavaScript error with a stable `code`, and `site` where a node is at fault.
Napi::Error make_error(Napi::Env env, const Failure& failure);

template <typename Function>
auto guarded(Napi::Env env, Function&& function) -> decltype(function()) {
  try {
    return function();
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception&) {
    throw make_error(env, *current_failure());
  }
}

}  // namespace davit::node
