// The records that the engine hands to JavaScript: finished runs, events and callbacks, in order.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/failure.h"
#include "engine/hooks/summary.h"

namespace davit {

// Iterations of the loops around a node, outermost first.
using LoopPath = std::vector<int64_t>;

// A batch of records. `words` is a flat list; src/engine/batch.ts reads the same layout:
//   finished  0 run failed code_text message_text site
//   event     1 subscription run program site seq dropped cost path_length path… value_count value…
//   callback  2 run program site seq callback path_length path… value_count value…
// A value is `0 offset length` in `bytes`, `1 index` in `blobs`,
// `2 count min max mean std nan inf bins histogram…`, or `3 id` of a tensor.
struct Batch {
  std::vector<double> words;
  std::vector<uint8_t> bytes;
  std::vector<std::vector<uint8_t>> blobs;
  std::vector<std::string> texts;

  bool empty() const { return words.empty(); }
};

// One value of an event, already copied or summarised.
struct EventValue {
  std::vector<uint8_t> bytes;
  std::optional<Summary> summary;
};

// One value of a callback: its bytes, or the id of a tensor.
using CallbackValue = std::variant<std::vector<uint8_t>, int64_t>;

// One firing of a node for one subscription; see docs/hooks.md.
struct Event {
  int64_t subscription;
  int64_t run;
  int64_t program;
  int site;
  int64_t seq;
  int64_t dropped;
  int64_t cost;
  LoopPath path;
  std::vector<EventValue> values;
};

// Collects records from all threads. A record that is added while JavaScript is idle wakes it;
// while it takes records, there is no wake-up.
class Outbox {
 public:
  explicit Outbox(std::function<void()> wake) : wake_(std::move(wake)) {}

  // `failure` is null where the run succeeded.
  void finished(int64_t run, const Failure* failure);
  void event(Event event);
  void callback(int64_t run, int64_t program, int site, int64_t seq, int64_t callback,
                const LoopPath& path, std::vector<CallbackValue> values);

  // The oldest records, a limited number of them.
  Batch take();
  // To be called after take(), when its records are handled. Returns whether there are more; where
  // there are none, JavaScript is idle from then on.
  bool more();

  // For the JavaScript thread: holds wake-ups back, after which it has to call take().
  void hold() { held_ = true; }
  void unhold() { held_ = false; }

 private:
  template <typename Write>
  void add(Write&& write);

  const std::function<void()> wake_;
  std::atomic<bool> held_{false};
  std::mutex mutex_;
  std::deque<Batch> batches_;
  bool awake_ = false;
};

}  // namespace davit
