// Backpressure: how many bytes of events may be in flight to a subscriber.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

namespace davit {

// The bytes of events that may be in flight between the engine and those who consume them.
class CreditBudget {
 public:
  // `least` is the least cost of an event, which bounds how many are in flight.
  CreditBudget(int64_t budget, int64_t least) : budget_(budget), least_(least) {}

  // Takes bytes, or calls `resume` once when it is worth another try. A need above the whole budget
  // is met when nothing else is in flight.
  bool reserve(int64_t bytes, std::function<void()> resume);
  // Takes bytes if they fit now.
  bool try_reserve(int64_t bytes);
  // Takes bytes whether they fit or not.
  void force(int64_t bytes);
  // Gives bytes back.
  void release(int64_t bytes);
  // Lets all waiting runs try again.
  void wake();
  // Closes the budget: everything fits from now on, and no run waits.
  void close();
  // Returns true while nothing is in flight.
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

}  // namespace davit
