// Loops whose body is nothing but fused kernels on small values.
#pragma once

#include <mlx/mlx.h>

#include <memory>
#include <optional>
#include <vector>

#include "engine/program/program.h"
#include "engine/run/checkpoint.h"
#include "engine/run/schedule.h"
#include "kernels/repetition.h"

namespace davit {

// The state of a loop whose values stay where they are in memory: an iteration is a few
// instructions of the kernels' interpreter, without arrays, primitives and allocations.
class TightLoop {
 public:
  // What a loop begins with.
  struct Start {
    const Arrays& carries;
    const Arrays& invariants;
    bool indexed;  // the body's first parameter is the iteration
    bool tested;   // the body's last result tells whether there is another iteration
  };

  // Null where the body is something else, or its values are not small.
  static std::unique_ptr<TightLoop> make(std::shared_ptr<const Schedule> schedule,
                                         const Function& body, const Segment& segment,
                                         const Start& start);

  // Runs up to `count` iterations from number `first` on, fewer where the loop ends before. Throws
  // RunError where the run is cancelled. Returns how many.
  int64_t run(int64_t first, int64_t count, const CancelFlag& cancel);
  // Whether the last iteration told that there is another one.
  bool goes_on() const;
  // The carries after the last iteration; the next one overwrites them.
  const Arrays& carries() const { return carries_; }

 private:
  struct Copy {
    const void* from;
    void* to;
    size_t bytes;
  };

  bool take_inputs(const Function& body, const Segment& segment, const Start& start);
  bool take_operations();
  bool take_results(const Function& body, const Segment& segment, bool tested);

  std::shared_ptr<const Schedule> schedule_;
  Arrays carries_;
  std::optional<mx::array> index_;
  std::vector<std::optional<mx::array>> slots_;  // of the schedule
  std::vector<std::unique_ptr<kernels::Repetition>> steps_;
  std::vector<Copy> copies_;  // of results to carries
  const bool* test_ = nullptr;
};

}  // namespace davit
