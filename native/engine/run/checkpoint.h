// Checkpoints inside long segments, so that cancelling acts in tenths of a second.
#pragma once

#include <mlx/mlx.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "engine/failure.h"

namespace davit {

// Set by the thread that cancels a run; tested by its lane.
class CancelFlag {
 public:
  // The first cause wins.
  void set(std::string code, std::string message);
  const std::atomic<bool>& flag() const { return set_; }
  bool is_set() const { return set_.load(std::memory_order_acquire); }
  // Throws RunError with the cause, if it is set.
  void check() const;

 private:
  mutable std::mutex mutex_;
  std::atomic<bool> set_{false};
  FailurePtr cause_;
};

// Lets a lane run at most two checkpoints ahead of its stream, and stops it when its run is
// cancelled. MLX launches far ahead of what is computed; without the brake a cancel would wait for
// all of it.
class CheckpointGate {
 public:
  void begin(const CancelFlag* cancel);
  // On the lane, before the work after a checkpoint is launched; throws RunError if cancelled.
  void arrive();
  // On the stream thread, when the work before a checkpoint is done.
  void pass();
  void wake();

 private:
  std::mutex mutex_;
  std::condition_variable moved_;
  const CancelFlag* cancel_ = nullptr;
  int64_t arrived_ = 0;
  int64_t passed_ = 0;
};

// The value itself, behind a checkpoint.
mlx::core::array checkpoint(const mlx::core::array& value, CheckpointGate& gate);

}  // namespace davit
