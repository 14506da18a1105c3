// The threads that share the work of one kernel: as many as the process has cores, the caller's
// among them.
#pragma once

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

// The same for jobs that wait for each other: each has a thread to itself. There may be as many as
// usable_cores(). Where another thread uses the pool, this one waits until it does not.
void share_together(size_t count, const std::function<void(size_t)>& job);

}  // namespace davit::threads
