// Which node failed, where the tasks of a CPU stream run on a thread of its own: MLX tells only
// what was thrown.
#pragma once

#include <atomic>

#include "engine/run/schedule.h"

namespace davit {

// The node whose task was the first to fail on a lane's CPU stream.
class StreamFailure {
 public:
  // On the lane, before an evaluation.
  void forget() { site_.store(-1); }
  // On the stream's thread. The first one counts: what comes after it computes with garbage.
  void note(int site) {
    int none = -1;
    site_.compare_exchange_strong(none, site);
  }
  // On the lane, after an evaluation; -1 where no task failed.
  int site() const { return site_.load(); }

 private:
  std::atomic<int> site_{-1};
};

// Has every primitive of a traced graph that a CPU stream computes, and whose node is known, note
// it when it fails. In place; `sites` knows them afterwards as well.
void note_failures(const std::vector<mlx::core::array>& outputs, PrimitiveSites& sites,
                   StreamFailure& failure);

// The node at which mx::eval stopped launching the graph behind `outputs`: that of the primitive
// which throws although its operands are there. -1 where all of it was launched, or where the
// primitive is of no node.
int unlaunched_site(const std::vector<mlx::core::array>& outputs, const PrimitiveSites& sites);

}  // namespace davit
