// Memory of the engine that JavaScript objects hold: V8 sees how small they are, and has to be told
// what they keep.
#pragma once

#include <napi.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace davit::node {

class Handles;
class Relief;

// One for each JavaScript environment. Counts the bytes that its objects hold, and has V8 collect
// garbage when they have grown much since the last time, or when memory runs out. For the
// environment's thread, apart from relief().
class Collector {
 public:
  // The environment's own; made on first use.
  static Collector& of(Napi::Env env);

  // `heap_bytes` returns how large JavaScript's heap is; `later` calls its argument back when the
  // event loop has turned, by when what collected buffers held was given back.
  void set_up(Napi::Function heap_bytes, Napi::Function later);

  // Bytes that are held by a new object, or not any more. V8 counts those of ArrayBuffers itself.
  void grow(size_t bytes);
  void shrink(size_t bytes);
  // The same bytes are held by one more object: nothing new that is worth a collection.
  void share(size_t bytes) { held_ += static_cast<int64_t>(bytes); }

  // Has V8 collect all garbage now, and frees the tensors that it held.
  void collect();

  // The bytes that objects hold, those of them that V8 was told of, and the number of collections.
  struct State {
    int64_t held;
    int64_t external;
    int64_t collections;
  };
  State state() const;

  // For a thread that is out of memory: returns when garbage was collected and what it held was
  // given back, or when the environment is gone.
  std::function<void()> relief();

 private:
  friend class Handles;

  explicit Collector(Napi::Env env);
  // Tells V8 of bytes that it does not count itself.
  void weigh(int64_t bytes);
  int64_t least() const;
  int64_t heap_bytes();

  Napi::Env env_;
  std::unordered_set<Handles*> handles_;
  std::shared_ptr<Relief> relief_;
  Napi::FunctionReference heap_bytes_;
  int64_t held_ = 0;
  int64_t external_ = 0;
  int64_t lowest_ = 0;  // since the last collection
  int64_t next_ = 0;    // where to think of the next one
  int64_t collections_ = 0;
  bool collecting_ = false;
};

// The names of tensors that belong to JavaScript objects, of one engine. A name is freed when its
// object is garbage.
class Handles : public std::enable_shared_from_this<Handles> {
 public:
  Handles(Collector& collector, std::function<void(int64_t)> free);
  ~Handles();
  Handles(const Handles&) = delete;

  // Binds a name to an object that holds so many bytes.
  void hold(Napi::Object object, int64_t id, size_t bytes);
  // The name is freed by others.
  void release(int64_t id);
  // The names, of objects that are garbage too.
  std::vector<int64_t> ids() const;
  // Frees the names of objects that are garbage.
  void sweep();
  // Frees nothing any more, as the function that freed is gone.
  void close();

 private:
  struct Held;

  void forgotten(int64_t id);
  void drop(std::unique_ptr<Held> held);

  Collector& collector_;
  std::function<void(int64_t)> free_;
  std::unordered_map<int64_t, std::unique_ptr<Held>> held_;
};

}  // namespace davit::node
