// Who watches which nodes, and what of each firing they get.
#pragma once

#include <mlx/mlx.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/outbox.h"
#include "tensor_type.h"

namespace davit {

// A budget of hook bytes that may be in flight between the engine and those who consume them.
class Channel {
 public:
  // `least` is what an event costs at least, which bounds how many are in flight.
  Channel(int64_t budget, int64_t least) : budget_(budget), least_(least) {}

  // Takes bytes, or calls `resume` once when it is worth another try. A need above the whole budget
  // is met when nothing else is in flight.
  bool reserve(int64_t bytes, std::function<void()> resume);
  // Takes bytes if they fit now.
  bool try_reserve(int64_t bytes);
  // Takes bytes whether they fit or not.
  void force(int64_t bytes);
  // Gives bytes back.
  void release(int64_t bytes);
  // Lets those who wait try again.
  void wake();
  // Nobody waits for a closed channel, and everything fits.
  void close();
  bool idle() const;
  int64_t budget() const { return budget_; }
  int64_t least() const { return least_; }

 private:
  bool fits(int64_t bytes) const;

  const int64_t budget_;
  const int64_t least_;
  mutable std::mutex mutex_;
  int64_t in_flight_ = 0;
  bool closed_ = false;
  std::vector<std::function<void()>> waiting_;
};

struct View {
  enum class Kind { full, slice, summary };
  Kind kind = Kind::full;
  std::vector<int> start;
  std::vector<int> size;
  int bins = 0;
};

// One firing, as a subscription sees it. The arrays are evaluated and valid during the call.
struct Firing {
  int64_t run;
  int64_t program;
  int site;
  int64_t seq;
  const LoopPath& path;
  const std::vector<mlx::core::array>& values;
};

enum class Policy { every, latest, sample, rate };

// A watcher of nodes: a policy, a view, and the channel its bytes are counted in.
class Subscription {
 public:
  Subscription(int64_t id, std::shared_ptr<Channel> channel, Policy policy, double interval,
               View view)
      : id_(id),
        channel_(std::move(channel)),
        policy_(policy),
        interval_(interval),
        view_(std::move(view)) {}

  bool open() const { return open_.load(std::memory_order_acquire); }
  // Nothing is emitted after this returns.
  void close();

  Policy policy() const { return policy_; }
  const std::shared_ptr<Channel>& channel() const { return channel_; }
  // Bytes that one firing of values of these types costs.
  int64_t cost(const std::vector<TensorType>& types) const;

  // Takes one firing: emits it, keeps it as the latest, or drops and counts it. With policy `every`
  // its cost was reserved before the launch.
  void fire(const Firing& firing, Outbox& outbox);
  // A firing that was reserved for and did not happen.
  void skip(const std::vector<TensorType>& types);
  // Emits a kept latest value; `only_run` limits it to one run's, -1 takes any.
  void flush(Outbox& outbox, int64_t only_run);

 private:
  struct Event {
    EventHead head;
    LoopPath path;
    std::vector<EventValue> values;
  };

  Event make_event(const Firing& firing, int64_t cost) const;
  bool wants();
  void emit(Event event, Outbox& outbox);

  const int64_t id_;
  const std::shared_ptr<Channel> channel_;
  const Policy policy_;
  const double interval_;
  const View view_;
  std::atomic<bool> open_{true};

  std::mutex mutex_;  // firings come from the stream threads of all lanes
  int64_t seen_ = 0;
  int64_t dropped_ = 0;
  std::optional<std::chrono::steady_clock::time_point> last_;
  std::optional<Event> latest_;
};

using SubscriptionPtr = std::shared_ptr<Subscription>;

// The open subscriptions of a program's nodes, by site. Immutable: a change makes a new one.
struct WatchTable {
  std::map<int, std::vector<SubscriptionPtr>> sites;
};

using WatchTablePtr = std::shared_ptr<const WatchTable>;

}  // namespace davit
