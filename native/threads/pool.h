// The threads that share the work of one kernel: as many as the process has cores, the caller's
// among them.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>

namespace davit::threads {

// The cores that this process may use; what the standard library counts leaves taskset out.
int usable_cores();

// Starts the threads, which otherwise start where there is first something to share.
void start();

// Does job(0) ... job(count - 1) in any order, on this thread and on those of the pool that are
// free. Returns when all are done. Where another thread uses the pool, this one does all of them. A
// job does not throw.
void share(size_t count, const std::function<void(size_t)>& job);

// While it lives, share() on this thread begins no more jobs once the flag is set. What they would
// have computed is missing then: whoever sets the flag throws all of it away.
class StopScope {
 public:
  explicit StopScope(const std::atomic<bool>& flag);
  ~StopScope();
  StopScope(const StopScope&) = delete;

 private:
  const std::atomic<bool>* outer_;
};

// As share(), for jobs that wait for each other: all of them are done, each on a thread to itself.
// There may be as many as usable_cores(). Where another thread uses the pool, this one waits until
// it does not.
void share_together(size_t count, const std::function<void(size_t)>& job);

}  // namespace davit::threads
