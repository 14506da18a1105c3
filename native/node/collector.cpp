#include "node/collector.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "node/relief.h"

namespace davit::node {

namespace {

// Less than this is not worth a collection.
constexpr int64_t kLeast = 32 << 20;
// The cost of an object beside its bytes: names, types, references.
constexpr size_t kOverhead = 512;
// More than any heap's limit: V8 collects at once where so much external memory is announced.
constexpr int64_t kPressure = int64_t{1} << 50;
// Handles are opened for so many references at a time.
constexpr size_t kScope = 1024;

void stay(Napi::Env, Collector*) {}

}  // namespace

Collector& Collector::of(Napi::Env env) {
  auto* known = env.GetInstanceData<Collector>();
  if (known == nullptr) {
    known = new Collector(env);
    // It stays: objects that hold memory may be finalized after the environment's data.
    env.SetInstanceData<Collector, &stay>(known);
  }
  return *known;
}

Collector::Collector(Napi::Env env) : env_(env) {}

void Collector::set_up(Napi::Function heap_bytes, Napi::Function later) {
  heap_bytes_ = Napi::Persistent(heap_bytes);
  relief_ = std::make_shared<Relief>(env_, [this] { collect(); }, later);
  env_.AddCleanupHook(
      [](std::shared_ptr<Relief>* relief) {
        (*relief)->end();
        delete relief;
      },
      new std::shared_ptr<Relief>(relief_));
}

std::function<void()> Collector::relief() {
  if (!relief_) return {};
  return [relief = relief_] { relief->ask(); };
}

int64_t Collector::heap_bytes() {
  if (heap_bytes_.IsEmpty()) return 0;
  return heap_bytes_.Call({}).ToNumber().Int64Value();
}

void Collector::grow(size_t bytes) {
  held_ += static_cast<int64_t>(bytes);
  if (held_ <= next_ || collecting_) return;
  // A collection looks at all of JavaScript's heap: it is not made for less than twice of that.
  int64_t wanted = std::max(least(), 2 * heap_bytes());
  if (held_ > lowest_ + wanted) {
    collect();
    wanted = least();
  }
  next_ = lowest_ + wanted;
}

int64_t Collector::least() const { return std::max(lowest_ / 2, kLeast); }

void Collector::shrink(size_t bytes) {
  held_ -= static_cast<int64_t>(bytes);
  if (held_ >= lowest_) return;
  lowest_ = held_;
  next_ = std::min(next_, lowest_ + least());
}

void Collector::collect() {
  if (std::exchange(collecting_, true)) return;
  ++collections_;
  weigh(kPressure);
  weigh(-kPressure);
  for (auto* handles : handles_) handles->sweep();
  lowest_ = held_;
  collecting_ = false;
}

void Collector::weigh(int64_t bytes) {
  external_ += bytes;
  int64_t all = 0;
  napi_adjust_external_memory(env_, bytes, &all);
}

Collector::State Collector::state() const { return {held_, external_, collections_}; }

struct Handles::Held {
  std::shared_ptr<Handles> handles;
  int64_t id;
  size_t bytes;
  napi_ref reference;
};

Handles::Handles(Collector& collector, std::function<void(int64_t)> free)
    : collector_(collector), free_(std::move(free)) {
  collector_.handles_.insert(this);
}

Handles::~Handles() { collector_.handles_.erase(this); }

void Handles::hold(Napi::Object object, int64_t id, size_t bytes) {
  auto held = std::make_unique<Held>(Held{shared_from_this(), id, bytes + kOverhead, nullptr});
  auto finalize = [](napi_env, void* data, void*) {
    auto* forgotten = static_cast<Held*>(data);
    // The handles may be gone with the last of them.
    auto handles = forgotten->handles;
    handles->forgotten(forgotten->id);
  };
  auto env = object.Env();
  if (napi_add_finalizer(env, object, held.get(), finalize, nullptr, &held->reference) != napi_ok) {
    throw Napi::Error::New(env);
  }
  size_t weight = held->bytes;
  held_.emplace(id, std::move(held));
  collector_.weigh(static_cast<int64_t>(weight));
  collector_.grow(weight);
}

void Handles::release(int64_t id) {
  auto entry = held_.extract(id);
  if (entry) drop(std::move(entry.mapped()));
}

void Handles::forgotten(int64_t id) {
  release(id);
  free_(id);
}

void Handles::drop(std::unique_ptr<Held> held) {
  napi_delete_reference(collector_.env_, held->reference);
  collector_.weigh(-static_cast<int64_t>(held->bytes));
  collector_.shrink(held->bytes);
}

void Handles::close() {
  free_ = [](int64_t) {};
  auto held = std::exchange(held_, {});
  for (auto& [_, each] : held) drop(std::move(each));
}

std::vector<int64_t> Handles::ids() const {
  std::vector<int64_t> ids;
  ids.reserve(held_.size());
  for (const auto& [id, _] : held_) ids.push_back(id);
  return ids;
}

void Handles::sweep() {
  auto env = collector_.env_;
  std::vector<int64_t> garbage;
  auto each = held_.begin();
  while (each != held_.end()) {
    Napi::HandleScope scope(env);
    for (size_t count = 0; count < kScope && each != held_.end(); ++count, ++each) {
      napi_value object = nullptr;
      napi_get_reference_value(env, each->second->reference, &object);
      if (object == nullptr) garbage.push_back(each->first);
    }
  }
  for (int64_t id : garbage) forgotten(id);
}

}  // namespace davit::node
