#include "kernels/share.h"

#include <algorithm>
#include <exception>
#include <mutex>

#include "kernels/thresholds.h"
#include "threads/pool.h"

namespace davit::kernels {

void share_work(double work, size_t count, const std::function<void(size_t, size_t)>& part) {
  if (work < kShared || count < 2) return part(0, count);
  auto least = std::clamp(static_cast<size_t>(work / kShared), size_t{2}, kMostParts);
  size_t parts = std::min(std::max(least, static_cast<size_t>(work / kLongestPart)), count);
  std::mutex mutex;
  std::exception_ptr failure;  // there may be no memory for a thread's registers
  threads::share(parts, [&](size_t i) {
    try {
      part(count * i / parts, count * (i + 1) / parts);
    } catch (...) {
      std::lock_guard lock(mutex);
      failure = std::current_exception();
    }
  });
  if (failure) std::rethrow_exception(failure);
}

}  // namespace davit::kernels
