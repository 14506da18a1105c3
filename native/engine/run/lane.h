// An engine thread with its own MLX streams, compile cache and task queue.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "engine/hooks/hook.h"
#include "engine/program/program.h"
#include "engine/run/checkpoint.h"
#include "engine/run/schedule.h"
#include "engine/run/stream_failure.h"

namespace davit {

// Counts since the engine began.
struct Counters {
  std::atomic<int64_t> compiled{0};
  std::atomic<int64_t> compile_microseconds{0};
  std::atomic<int64_t> runs{0};
};

class Lane {
 public:
  // The thread that a lane works on: its own, or its maker's, for small programs, where a change of
  // threads would cost more than the work.
  enum class Thread { own, callers };

  // `inline_streams`: whether CPU streams run inline, see native/interpose.
  // `posted` is called after a task was posted to a lane on its maker's thread, which then calls
  // run_posted().
  Lane(Outbox& outbox, Counters& counters, mx::Device device, bool inline_streams,
       Thread thread = Thread::own, std::function<void()> posted = {});
  ~Lane();
  Lane(const Lane&) = delete;

  // Ends a lane's own thread, with its streams, and waits for it. For when no run is under way;
  // what is posted later is not done.
  void end();

  // Runs a task on the lane's thread, after those posted before.
  void post(std::function<void()> task);

  // Does the tasks posted to a lane on its maker's thread.
  void run_posted();

  // The methods that follow are for tasks on the lane's thread.

  // Runs a segment, compiled with hooks at some of its sites (sorted). With hooks, a token is its
  // last input and its last output. Where streams run inline the outputs are computed; otherwise
  // evaluate() is what computes them.
  Arrays launch(const ProgramPtr& program, const Function& function, const Segment& segment,
                const std::vector<int>& sites, Arrays inputs, const CancelFlag& cancel);
  // What launch() runs where streams run inline; null where they do not.
  std::shared_ptr<const Schedule> schedule(const ProgramPtr& program, const Function& function,
                                           const Segment& segment, const std::vector<int>& sites);
  // The hooks of a compiled segment in the order in which they fire.
  struct EventSite {
    int site;
    std::vector<TensorType> types;
  };
  const std::vector<EventSite>& event_order(const ProgramPtr& program, const Function& function,
                                            const Segment& segment, const std::vector<int>& sites);
  // The segment cut behind each of its watched nodes, for when one launch may emit too much.
  std::shared_ptr<const std::vector<Segment>> pieces(const ProgramPtr& program,
                                                     const Function& function,
                                                     const Segment& segment,
                                                     const std::vector<int>& sites);
  // Builds the results of a program without control flow, of inputs and of what its constants are
  // bound to, with nothing of Davit's own between MLX's primitives. `sites` gets the node of each.
  Arrays trace(const ProgramPtr& program, const Arrays& constants, const Arrays& inputs,
               PrimitiveSites& sites);
  // Forgets what was compiled for a program.
  void forget(int64_t program);

  // Computes the outputs of launches and waits for them; throws RunError with the node at fault,
  // with nothing left running.
  void evaluate(const Arrays& arrays, const CancelFlag& cancel);
  // Ends the evaluation of a cancelled run that waits at a checkpoint.
  void wake() { gate_.wake(); }

  HookCursor& cursor() { return cursor_; }
  mx::Stream stream() const { return *stream_; }

 private:
  // The outcome of tracing a segment.
  struct Trace {
    std::vector<EventSite> order;
    PrimitiveSites sites;
  };

  struct Variant {
    std::vector<int> sites;
    std::uintptr_t compile_id;
    ProgramPtr program;  // what the function refers to
    std::function<Arrays(const Arrays&)> function;
    std::shared_ptr<std::vector<Segment>> pieces;
    std::shared_ptr<std::optional<Trace>> trace;  // once it is traced
    std::shared_ptr<const Schedule> schedule;     // where streams run inline
  };

  // The state of a segment that is being traced.
  struct Build {
    const Program& program;
    const std::vector<int>& sites;
    std::optional<mx::array> token;
    Trace trace;
    int nodes_since = 0;  // the last checkpoint
    double work_since = 0;
    bool checkpoints = true;
    int derivatives = 0;  // how many are being taken of what is built
  };

  Variant& variant(const ProgramPtr& program, const Function& function, const Segment& segment,
                   const std::vector<int>& sites);
  static void* main(void* lane);
  void serve();
  void loop();
  Arrays build(Build& build, const Function& function, const Segment& segment,
               const Arrays& inputs);
  void build_nodes(Build& build, const Function& function, int first, int last,
                   std::unordered_map<int, mx::array>& values);
  Arrays build_node(Build& build, const Node& node,
                    const std::vector<std::optional<mx::array>>& operands);
  Arrays differentiate(Build& build, const Node& node, const Arrays& operands);
  Arrays hooked(Build& build, int site, Arrays values, bool used);
  // Returns arrays without data to trace a segment with: they are never evaluated.
  static Arrays placeholders(const Function& function, const Segment& segment, bool token);
  void erase(const Variant& variant);
  int failed_site(const Arrays& arrays) const;

  Counters& counters_;
  const mx::Device device_;
  const bool inline_streams_;
  HookCursor cursor_;
  CheckpointGate gate_;
  StreamFailure stream_failure_;
  // The trace of the segment that was launched last, which is evaluated next.
  std::shared_ptr<const std::optional<Trace>> launched_;
  std::optional<mx::Stream> stream_;
  std::unordered_map<int64_t, std::vector<Variant>> variants_;  // by segment

  const std::function<void()> on_post_;
  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<std::function<void()>> tasks_;
  bool ending_ = false;
  std::optional<pthread_t> thread_;  // its own
};

}  // namespace davit
