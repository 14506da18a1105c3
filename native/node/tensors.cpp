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
    if (bytes > 0) {
      // Always over the engine's memory, however small: it is going to be written.
      auto kept = array;
      auto over = external(env, data, bytes, kept);
      if (!over) {
        throw OpError("memory_external", "this runtime allows no views of foreign memory");
      }
      buffer = *over;
    }
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
    return from_array(env, engine_->values().get(id_of(info[0]))->array());
  });
}

Napi::Value EngineObject::release(const Napi::CallbackInfo& info) {
  // A buffer frees its memory when it is detached, not only when it is collected.
  info[0].As<Napi::ArrayBuffer>().Detach();
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
