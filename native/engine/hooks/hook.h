// The hook primitive: passes values through and hands them to subscriptions, in program order.
#pragma once

#include <mlx/mlx.h>

#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/hooks/subscription.h"

namespace davit {

// The watched nodes of a segment in the order in which they fire, and their subscriptions.
struct EventPlan {
  struct Site {
    int site;
    std::vector<TensorType> types;
    std::vector<SubscriptionPtr> subscriptions;
  };
  std::vector<Site> sites;
};

// One launch of a segment (or of several iterations of it) whose events are still to come.
struct Launch {
  int64_t run;
  int64_t program;
  std::shared_ptr<const EventPlan> plan;
  LoopPath path;
  bool loops = false;  // the last item of `path` counts up from one pass of the plan to the next
  int64_t passes = 1;
  std::shared_ptr<std::atomic<int64_t>> seq;
  size_t next = 0;  // index in plan->sites
};

// The events that a lane expects, in order. The compiled primitive is shared by all calls of a
// segment, so what differs between calls is kept here. The lane adds; its stream thread takes.
class HookCursor {
 public:
  explicit HookCursor(Outbox& outbox) : outbox_(outbox) {}

  void expect(Launch launch);
  // Hands the values of a node to its subscriptions; runs on the stream thread.
  void fire(int site, const std::vector<mlx::core::array>& values);
  // After a failed evaluation: forgets the events that did not come, and returns their credit.
  void abandon();

 private:
  Outbox& outbox_;
  std::mutex mutex_;
  std::deque<Launch> launches_;
};

// Hooks values: returns them (with the same buffers) and the next token. `token` is an empty array
// that chains the hooks of a program, which is what keeps them in order.
struct Hooked {
  std::vector<mlx::core::array> values;
  mlx::core::array token;
};
Hooked hook(const std::vector<mlx::core::array>& values, const mlx::core::array& token, int site,
            HookCursor& cursor, bool passes_values);

// The values themselves; when they are differentiated, `seen` is given their cotangents, and what
// it returns flows on. It is called while the derivative is built.
std::vector<mlx::core::array> hook_gradient(
    const std::vector<mlx::core::array>& values,
    std::function<std::vector<mlx::core::array>(std::vector<mlx::core::array>)> seen);

// Returns whether a primitive is one that hook() made.
bool is_hook(const mlx::core::Primitive& primitive);

// A new token, the start of a chain.
mlx::core::array first_token();

}  // namespace davit
