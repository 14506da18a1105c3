// A subscription to nodes: which of their values it gets, and how they are viewed.
#pragma once

#include <mlx/mlx.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/hooks/credit_budget.h"
#include "engine/outbox.h"
#include "tensor_type.h"

namespace davit {

struct View {
  enum class Kind { full, slice, summary };
  Kind kind = Kind::full;
  std::vector<int> start;
  std::vector<int> size;
  int bins = 0;
};

// The values of a node, each time that it fires. The arrays are evaluated and valid during the
// call.
struct SiteValues {
  int64_t run;
  int64_t program;
  int site;
  int64_t seq;
  const LoopPath& path;
  const std::vector<mlx::core::array>& values;
};

enum class Policy { every, latest, sample, rate };

// A policy, a view, and the budget that its bytes are counted in.
class Subscription {
 public:
  Subscription(int64_t id, std::shared_ptr<CreditBudget> budget, Policy policy, double interval,
               View view)
      : id_(id),
        budget_(std::move(budget)),
        policy_(policy),
        interval_(interval),
        view_(std::move(view)) {}

  bool open() const { return open_.load(std::memory_order_acquire); }
  // Nothing is emitted after this returns.
  void close();

  Policy policy() const { return policy_; }
  const std::shared_ptr<CreditBudget>& budget() const { return budget_; }
  // The cost in bytes of an event with values of these types.
  int64_t cost(const std::vector<TensorType>& types) const;

  // Emits the values as an event, keeps them as the latest, or drops and counts them. With policy
  // `every` the cost was reserved before the launch.
  void fire(const SiteValues& fired, Outbox& outbox);
  // Gives back what was reserved for values that did not come.
  void skip(const std::vector<TensorType>& types);
  // Emits a kept latest value; `only_run` limits it to one run's, -1 takes any.
  void flush(Outbox& outbox, int64_t only_run);

 private:
  Event make_event(const SiteValues& fired, int64_t cost) const;
  bool wants();
  void emit(Event event, Outbox& outbox);

  const int64_t id_;
  const std::shared_ptr<CreditBudget> budget_;
  const Policy policy_;
  const double interval_;
  const View view_;
  std::atomic<bool> open_{true};

  std::mutex mutex_;  // values come from the stream threads of all lanes
  int64_t seen_ = 0;
  int64_t dropped_ = 0;
  std::optional<std::chrono::steady_clock::time_point> last_;
  std::optional<Event> latest_;
};

using SubscriptionPtr = std::shared_ptr<Subscription>;

// The open subscriptions of a program's nodes, by site. Immutable: a change makes a new one.
struct SubscriptionTable {
  std::map<int, std::vector<SubscriptionPtr>> sites;
};

using SubscriptionTablePtr = std::shared_ptr<const SubscriptionTable>;

}  // namespace davit
