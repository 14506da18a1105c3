// One run of a program: a stack of frames that its lane advances, and that can be put aside while
// the run waits for a reply or for hook credit.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/hooks/hook.h"
#include "engine/program/program.h"
#include "engine/run/checkpoint.h"
#include "engine/run/lane.h"
#include "engine/run/tight_loop.h"

namespace davit {

class Engine;
struct Queue;

// The reply to a callback.
using CallbackReply = std::variant<Arrays, FailurePtr>;

// A subscription of one run alone.
using SiteSubscription = std::pair<int, SubscriptionPtr>;

class Run : public std::enable_shared_from_this<Run> {
 public:
  Run(Engine& engine, int64_t id, ProgramPtr program, std::shared_ptr<Queue> queue,
      std::vector<ValuePtr> inputs, std::vector<ValuePtr> outputs,
      std::vector<SiteSubscription> subscriptions);

  int64_t id() const { return id_; }
  const std::vector<ValuePtr>& inputs() const { return inputs_; }
  const ProgramPtr& program() const { return program_; }
  const std::vector<ValuePtr>& outputs() const { return outputs_; }
  // The outputs are settled: those who have their names have them alone.
  void release_outputs() { outputs_.clear(); }
  const std::shared_ptr<Queue>& queue() const { return queue_; }
  CancelFlag& cancel_flag() { return cancel_; }

  // Returns whether it has no subscriptions.
  bool unwatched() { return table()->sites.empty(); }
  // Before it is advanced: where it runs, if not on its queue's lane.
  void set_lane(Lane& lane) { lane_ = &lane; }
  bool is_on(const Lane* lane) const { return lane_ == lane; }

  // On the lane: goes on until the run is finished (the engine is told) or has to wait.
  void advance();
  // From any thread: advances the run if it waits.
  void resume();

  // From any thread: takes the reply to a callback, for when the run is advanced next. Returns
  // false where the run waits for no such reply.
  bool take_reply(int64_t callback, CallbackReply reply);
  // From any thread: the types of the reply waited for, unless that is another callback's.
  std::optional<std::vector<TensorType>> reply_types(int64_t callback);

  // The scheduler's, under its lock.
  int waiting_on = 0;
  bool started = false;

 private:
  // Takes the results of a frame.
  using Continuation = std::function<void(Arrays)>;

  // A loop that is under way in a frame.
  struct Loop {
    const Node* node;
    const Function* body;
    Arrays carries;
    Arrays invariants;
    int64_t iteration = 0;
    int64_t trips = 0;     // of a counted loop
    bool indexed = false;  // the body's first parameter is the iteration
    int64_t batch = 1;
    std::unique_ptr<TightLoop> tight;  // while it is driven so
    bool tight_tried = false;
  };

  struct Frame {
    const Function* function;
    std::vector<std::optional<mx::array>> values;
    size_t step = 0;
    // The pieces of the current step, where it is cut; they stay the same while the run waits
    // between them.
    std::shared_ptr<const std::vector<Segment>> pieces;
    size_t piece = 0;
    std::optional<int64_t> iteration;  // where the frame is a pass of a loop
    std::shared_ptr<Loop> loop;        // where the current step is a counted loop
    Continuation done;
  };

  // The subscriptions to a segment's nodes now.
  struct SegmentSubscriptions {
    SubscriptionTablePtr table;
    std::vector<int> sites;
    std::shared_ptr<const EventPlan> plan;
    std::vector<std::pair<std::shared_ptr<CreditBudget>, int64_t>> bytes;  // of policy `every`
    bool all_open() const;
    int64_t largest_share() const;  // of passes that fit the tightest budget; 0 if not even one
  };

  bool step(Frame& frame);
  bool launch(Frame& frame, const Segment& segment);
  bool launch_whole(Frame& frame, const Segment& segment, const SegmentSubscriptions& watched);
  bool control(Frame& frame, const Node& node);
  bool callback(Frame& frame, const Node& node);
  void branch(Frame& frame, const Node& node);
  void begin_while(Frame& frame, const Node& node);
  void iterate(const std::shared_ptr<Loop>& loop, Frame& parent);
  bool begin_counted_while(Frame& frame, const Node& node);
  void begin_loop(Frame& frame, const Node& node, const Function& body, int64_t trips,
                  size_t first);
  void release_operands(Frame& frame, const Node& node);
  bool counted(Frame& frame, const Node& node);
  bool pass_batch(Loop& loop, const Segment* segment);
  bool pass_tight(Loop& loop, bool tested);

  void push(const Function& function, Arrays arguments, std::optional<int64_t> iteration,
            Continuation done);
  Arrays operands(const Frame& frame, const Node& node, size_t from, size_t to) const;
  void finish_node(Frame& frame, const Node& node, Arrays outputs);

  SubscriptionTablePtr table();
  const SegmentSubscriptions& subscriptions(const Function& function, const Segment& segment);
  bool reserve(const SegmentSubscriptions& watched, int64_t passes);
  void expect(const SegmentSubscriptions& watched, bool loops, int64_t first, int64_t passes);
  LoopPath path() const;
  void end(FailurePtr failure);

  Engine& engine_;
  const int64_t id_;
  const ProgramPtr program_;
  const std::shared_ptr<Queue> queue_;
  std::vector<ValuePtr> inputs_;
  std::vector<ValuePtr> outputs_;
  const std::vector<SiteSubscription> own_subscriptions_;
  CancelFlag cancel_;
  Lane* lane_;

  // The lane's.
  std::vector<std::unique_ptr<Frame>> frames_;
  std::optional<Arrays> results_;
  using Clock = std::chrono::steady_clock;
  std::optional<Clock::time_point> begun_;
  bool ended_ = false;
  std::shared_ptr<std::atomic<int64_t>> seq_ = std::make_shared<std::atomic<int64_t>>(0);
  SubscriptionTablePtr base_table_;
  SubscriptionTablePtr merged_table_;
  std::unordered_map<int64_t, SegmentSubscriptions> by_segment_;  // by segment
  std::set<SubscriptionPtr> latest_;  // those with policy `latest` that saw this run

  std::mutex reply_mutex_;
  int64_t awaited_callback_ = 0;  // 0 while none is
  const Node* awaited_node_ = nullptr;
  std::optional<CallbackReply> reply_;
};

using RunPtr = std::shared_ptr<Run>;

}  // namespace davit
