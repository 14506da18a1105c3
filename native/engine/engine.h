// The engine: lanes, queues, tensors, programs and subscriptions by their ids.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/outbox.h"
#include "engine/run/export.h"
#include "engine/run/lane.h"
#include "engine/run/run.h"
#include "engine/value.h"

namespace davit {

// Runs of one queue happen in order, on one lane.
struct Queue {
  int64_t id;
  Lane* lane;
  std::deque<RunPtr> runs;  // the scheduler's lock guards what follows
  bool busy = false;
};

struct EngineOptions {
  int lanes = 1;
  size_t memory_limit = 0;
  size_t cache_limit = 0;
  mx::Device device = mx::Device::cpu;
  std::function<void()> wake;  // called from any thread when the outbox is no longer empty
  // Called from any thread that is out of memory: returns when what is forgotten was freed.
  std::function<void()> relief;
};

// Methods are for the JavaScript thread, except where they say otherwise. Unknown ids throw
// OpError.
class Engine {
 public:
  explicit Engine(EngineOptions options);
  ~Engine();

  // Ends the lanes, for when no run is under way. Tensors can still be read and freed.
  void close();

  int64_t load_program(std::vector<Function> functions);
  void unload_program(int64_t program);
  const ProgramPtr& program(int64_t id) const;

  // Returns the work of writing loaded programs to a .mlxfn file, on a lane of its own, for another
  // thread to do and to wait for. It throws RunError.
  std::function<void()> exporting(std::string path, std::vector<ExportedTrace> traces,
                                  ExportOptions options);

  int64_t create_queue();
  void close_queue(int64_t queue);

  ValueStore& values() { return values_; }
  // Settles a pending tensor and lets runs go that waited for it; from any thread.
  void settle(Value& value, mx::array array);
  void settle(Value& value, FailurePtr failure);

  // Queues a run and names its outputs. `subscriptions` holds those of this run alone, by site.
  // Inputs whose names are in `donated` lose them: their memory may be overwritten.
  std::vector<int64_t> run(int64_t id, int64_t program, int64_t queue, std::vector<ValuePtr> inputs,
                           const std::vector<std::pair<int, int64_t>>& subscriptions,
                           const std::vector<int64_t>& donated);
  // Runs a program at once, on the JavaScript thread, and returns its results; nothing where the
  // run has to be queued. The outbox tells nothing of the run. Throws RunError where it fails.
  std::optional<Arrays> run_here(int64_t program, int64_t queue, std::vector<ValuePtr> inputs);
  // As run_here(), and names the outputs.
  std::optional<std::vector<int64_t>> make_here(int64_t program, int64_t queue,
                                                std::vector<ValuePtr> inputs);
  void cancel(int64_t run, std::string code, std::string message);
  // Answers callbacks; where the run or the callback is gone, nothing happens. A reply may advance
  // the run at once, as run() may.
  void reply(int64_t run, int64_t callback, const std::vector<ValuePtr>& values);
  // The types that the callback declares, unless it is gone.
  std::optional<std::vector<TensorType>> reply_types(int64_t run, int64_t callback);
  void reply_error(int64_t run, int64_t callback, std::string code, std::string message);

  int64_t create_credit_budget(int64_t budget, int64_t least);
  void close_credit_budget(int64_t budget);
  void credit(int64_t budget, int64_t bytes);
  int64_t create_subscription(int64_t budget, Policy policy, double interval, View view);
  void close_subscription(int64_t subscription);
  // Sets the sites of a program that a subscription is for.
  void subscribe(int64_t program, int64_t subscription, const std::vector<int64_t>& sites);

  // Does the tasks that were posted to the JavaScript thread, and returns the oldest records of the
  // outbox. To be called after a wake-up.
  Batch take_batch();
  Outbox& outbox() { return outbox_; }
  Counters& counters() { return counters_; }
  size_t memory_limit() const { return memory_limit_; }

  // The lanes': a run is over. `results` are its outputs where `failure` is null.
  void finished(const RunPtr& run, Arrays results, FailurePtr failure);
  int64_t next_callback() { return next_callback_.fetch_add(1); }

 private:
  const std::shared_ptr<Queue>& queue(int64_t id) const;
  void try_start(Queue& queue);
  // Frees what an unloaded program has for its runs, once none is left. With `mutex_` held.
  void release_if_unused(Program& program);
  // Makes a run with new outputs; throws OpError where an id is unknown or an input does not fit.
  RunPtr make_run(int64_t id, int64_t program, int64_t queue, std::vector<ValuePtr> inputs,
                  std::vector<SiteSubscription> subscriptions);
  // Puts a run into its queue and begins it on the JavaScript thread, where it is best done at
  // once. Returns false, and leaves it alone, where it is not. Under the lock.
  bool begin_here(const RunPtr& run);
  // What run_here() and make_here() have in common: the run, which is over; null where it has to be
  // queued.
  RunPtr complete_here(int64_t program, int64_t queue, std::vector<ValuePtr> inputs);
  // Advances a run on the JavaScript thread, which takes from the outbox afterwards.
  void advance_here(Run& run);
  RunPtr find_run(int64_t id);
  void settled(Value& value);
  SubscriptionPtr subscription(int64_t id) const;

  Outbox outbox_;
  Counters counters_;
  ValueStore values_;
  size_t memory_limit_;
  const mx::Device device_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  // Of the JavaScript thread; null where streams have threads of their own.
  std::unique_ptr<Lane> js_lane_;

  std::mutex mutex_;  // guards queues' contents, waiters of tensors, and runs_
  std::unordered_map<int64_t, RunPtr> runs_;

  int64_t next_id_ = 1;
  std::unordered_map<int64_t, ProgramPtr> programs_;
  std::unordered_map<int64_t, std::shared_ptr<Queue>> queues_;
  std::unordered_map<int64_t, std::shared_ptr<CreditBudget>> budgets_;
  std::unordered_map<int64_t, SubscriptionPtr> subscriptions_;
  size_t next_lane_ = 0;
  std::atomic<int64_t> next_callback_{1};
};

}  // namespace davit
