// Tensors: from bytes and files, and back.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "node/convert.h"
#include "node/engine.h"

namespace davit::node {

namespace {

// Fills an array with what a file has from an offset on.
void read_file(const std::string& path, int64_t offset, mx::array& array) {
  // The path may name a pipe by now, and opening it must not wait.
  int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) {
    throw RunError("file_unreadable", path + ": " + std::strerror(errno));
  }
  try {
    struct stat status;
    if (::fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
      throw RunError("file_unreadable", path + ": it is no regular file any more");
    }
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
    normalize_bools(array);
  } catch (...) {
    ::close(file);
    throw;
  }
}

}  // namespace

namespace {

// Over the engine's memory, however small: it may be written to.
Napi::ArrayBuffer external_of(Napi::Env env, void* data, size_t bytes,
                              std::shared_ptr<mx::array::Data> owner,
                              Memory memory = Memory::held) {
  auto buffer = external(env, data, bytes, owner, memory);
  if (buffer) return *buffer;
  throw OpError("memory_external", "this runtime allows no views of the engine's memory");
}

}  // namespace

void EngineObject::check_size(const TensorType& type) const {
  size_t bytes = byte_size(type);
  size_t limit = engine_->memory_limit();
  if (limit > 0 && bytes > limit) {
    throw OpError("value_too_large", "a tensor " + to_string(type) + " has " +
                                         std::to_string(bytes) + " bytes; the memory limit is " +
                                         std::to_string(limit));
  }
}

ValuePtr to_value(TensorType type, std::span<const uint8_t> bytes) {
  if (bytes.size() != byte_size(type)) {
    throw OpError("length_invalid", "a tensor " + to_string(type) + " has " +
                                        std::to_string(byte_size(type)) + " bytes, not " +
                                        std::to_string(bytes.size()));
  }
  auto array = allocate_array(type);
  if (!bytes.empty()) std::memcpy(array.data<uint8_t>(), bytes.data(), bytes.size());
  normalize_bools(array);
  auto value = std::make_shared<davit::Value>(std::move(type));
  value->set(std::move(array));
  return value;
}

Napi::Value EngineObject::put(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto type = to_type(info[0]);
    auto bytes = to_bytes(info[1]);
    check_size(type);
    auto value = to_value(std::move(type), bytes);
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
    auto buffer = Napi::ArrayBuffer::New(env, 0);
    if (bytes > 0) buffer = external_of(env, data, bytes, array.data_shared_ptr(), Memory::fresh);
    auto value = std::make_shared<davit::Value>(type);
    auto id = engine_->values().add(value);
    filling_.emplace(id, Filling{std::move(value), std::move(array)});
    auto result = Napi::Object::New(env);
    result.Set("value", static_cast<double>(id));
    result.Set("bytes", buffer);
    return result;
  });
}

Napi::Value EngineObject::publish(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  guarded(env, [&] {
    auto id = id_of(info[0]);
    auto filled = filling_.extract(id);
    if (!filled) throw OpError("tensor_unallocated", "only an allocated tensor can be published");
    auto& [value, array] = filled.mapped();
    normalize_bools(array);
    engine_->settle(*value, std::move(array));
  });
  return env.Undefined();
}

Napi::Value EngineObject::fail(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  guarded(env, [&] {
    auto id = id_of(info[0]);
    auto filled = filling_.extract(id);
    if (!filled) throw OpError("tensor_unallocated", "only an allocated tensor can be failed");
    engine_->settle(*filled.mapped().value,
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
    return from_array(env, engine_->values().get(id_of(info[0]))->array(), Memory::held);
  });
}

Napi::Value EngineObject::writable(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto value = engine_->values().get(id_of(info[0]));
    const auto* bytes = value->array().data<uint8_t>();
    std::optional<Napi::ArrayBuffer> known;
    if (info[1].IsArrayBuffer()) known = info[1].As<Napi::ArrayBuffer>();
    // A buffer that is a copy, or over one, is not over the tensor's memory.
    if (known && known->Data() != bytes) known.reset();
    auto name = to_string(value->type());
    // The store has it, and this function.
    if (value.use_count() > 2) {
      throw OpError("tensor_shared", "the tensor " + name +
                                         " is in use by a run, a constant of a program or in "
                                         "another handle; expected a tensor that nobody else has");
    }
    if (!value->own(known ? 1 : 0)) {
      throw OpError("tensor_shared",
                    "another tensor, or an earlier view, has the memory of the tensor " + name +
                        "; expected a tensor that nobody else has");
    }
    if (known) return *known;
    const auto& array = value->array();
    if (array.size() == 0) return Napi::ArrayBuffer::New(env, 0);
    return external_of(env, const_cast<uint8_t*>(array.data<uint8_t>()), array.nbytes(),
                       array.data_shared_ptr());
  });
}

Napi::Value EngineObject::layout(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto value = engine_->values().get(id_of(info[0]));
    const auto& array = value->array();
    auto result = Napi::Object::New(env);
    bool empty = array.size() == 0;
    auto* memory = empty ? nullptr : array.buffer().raw_ptr();
    size_t bytes = empty ? 0 : array.buffer_size();
    result.Set("memory", empty ? Napi::ArrayBuffer::New(env, 0)
                               : external_of(env, memory, bytes, array.data_shared_ptr()));
    result.Set("address", Napi::BigInt::New(env, reinterpret_cast<uint64_t>(memory)));
    result.Set("offset", static_cast<double>(empty ? 0 : array.offset()));
    auto strides = Napi::Array::New(env, array.ndim());
    for (uint32_t i = 0; i < array.ndim(); ++i) {
      strides.Set(i, static_cast<double>(array.strides()[i]));
    }
    result.Set("strides", strides);
    return result;
  });
}

Napi::Value EngineObject::release(const Napi::CallbackInfo& info) {
  detach(info[0].As<Napi::ArrayBuffer>());
  return info.Env().Undefined();
}

Napi::Value EngineObject::hold(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  guarded(env, [&] {
    auto id = id_of(info[1]);
    handles_->hold(info[0].As<Napi::Object>(), id, byte_size(engine_->values().get(id)->type()));
  });
  return env.Undefined();
}

Napi::Value EngineObject::free(const Napi::CallbackInfo& info) {
  auto id = id_of(info[0]);
  handles_->release(id);
  free_value(id);
  return info.Env().Undefined();
}

Napi::Value EngineObject::share(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto& values = engine_->values();
    return Napi::Number::New(env, static_cast<double>(values.add(values.get(id_of(info[0])))));
  });
}

void EngineObject::free_value(int64_t id) {
  if (auto filled = filling_.extract(id)) {
    // Runs that wait for it would wait for ever.
    engine_->settle(*filled.mapped().value,
                    std::make_shared<Failure>(
                        Failure{"tensor_freed", "the tensor was freed before it was filled"}));
  }
  engine_->values().remove(id);
}

Napi::Value EngineObject::file_value(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto path = text_of(info[0]);
    auto offset = id_of(info[1]);
    auto type = to_type(info[2]);
    check_size(type);
    auto value = std::make_shared<davit::Value>(
        type, [path, offset](mx::array& array) { read_file(path, offset, array); });
    return Napi::Number::New(env, static_cast<double>(engine_->values().add(std::move(value))));
  });
}

}  // namespace davit::node
