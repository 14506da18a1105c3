#include "threads/pool.h"

#include <pthread.h>
#if defined(__linux__)
#include <sched.h>
#endif

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace davit::threads {

namespace {

using Clock = std::chrono::steady_clock;

// A helper that finds no more work looks for some so long before it sleeps: waking it takes longer
// than most kernels.
constexpr auto kAwake = std::chrono::microseconds(100);

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Of the StopScope on this thread.
thread_local const std::atomic<bool>* current_stop = nullptr;

bool is_set(const std::atomic<bool>* flag) {
  return flag != nullptr && flag->load(std::memory_order_relaxed);
}

class Pool {
 public:
  Pool() {
    for (int i = 1; i < usable_cores(); ++i) {
      // They live as long as the process.
      std::thread([this] { help(); }).detach();
      ++helpers_;
    }
  }

  void share(size_t count, const std::function<void(size_t)>& job) {
    const auto* stop = current_stop;
    std::unique_lock lock(in_use_, std::try_to_lock);
    if (helpers_ == 0 || count < 2 || !lock) {
      for (size_t i = 0; i < count && !is_set(stop); ++i) job(i);
    } else {
      hand_out(count, job, stop);
    }
  }

  void share_together(size_t count, const std::function<void(size_t)>& job) {
    if (count < 2) {
      if (count == 1) job(0);
      return;
    }
    std::lock_guard lock(in_use_);
    hand_out(count, job, nullptr);
  }

 private:
  void hand_out(size_t count, const std::function<void(size_t)>& job,
                const std::atomic<bool>* stop) {
    job_ = &job;
    count_ = count;
    stop_ = stop;
    next_.store(0, std::memory_order_relaxed);
    // From here on helpers may enter.
    open_.store(true, std::memory_order_seq_cst);
    generation_.fetch_add(1, std::memory_order_seq_cst);
    if (asleep_.load(std::memory_order_seq_cst) > 0) {
      std::lock_guard wake(mutex_);
      posted_.notify_all();
    }
    work(job, count, stop);
    open_.store(false, std::memory_order_seq_cst);
    // Only jobs that a helper has begun are waited for.
    for (int spins = 0; inside_.load(std::memory_order_seq_cst) > 0; ++spins) {
      if (spins < 4096) {
        relax();
      } else {
        std::this_thread::yield();
      }
    }
  }

  void work(const std::function<void(size_t)>& job, size_t count, const std::atomic<bool>* stop) {
    for (;;) {
      size_t i = next_.fetch_add(1, std::memory_order_relaxed);
      if (i >= count || is_set(stop)) return;
      job(i);
    }
  }

  // Does what is there. What was posted is valid while this helper is inside and the pool open.
  void enter() {
    inside_.fetch_add(1, std::memory_order_seq_cst);
    if (open_.load(std::memory_order_seq_cst)) work(*job_, count_, stop_);
    inside_.fetch_sub(1, std::memory_order_seq_cst);
  }

  void help() {
    uint64_t seen = 0;
    for (;;) {
      auto begin = Clock::now();
      for (int spins = 1; generation_.load(std::memory_order_seq_cst) == seen; ++spins) {
        relax();
        if (spins % 64 == 0 && Clock::now() - begin > kAwake) {
          std::unique_lock lock(mutex_);
          asleep_.fetch_add(1, std::memory_order_seq_cst);
          posted_.wait(lock, [&] { return generation_.load(std::memory_order_seq_cst) != seen; });
          asleep_.fetch_sub(1, std::memory_order_seq_cst);
          break;
        }
      }
      seen = generation_.load(std::memory_order_seq_cst);
      enter();
    }
  }

  int helpers_ = 0;
  std::mutex in_use_;
  const std::function<void(size_t)>* job_ = nullptr;
  size_t count_ = 0;
  const std::atomic<bool>* stop_ = nullptr;
  std::atomic<size_t> next_{0};
  std::atomic<bool> open_{false};
  std::atomic<int> inside_{0};
  std::atomic<uint64_t> generation_{0};

  std::atomic<int> asleep_{0};
  std::mutex mutex_;
  std::condition_variable posted_;
};

}  // namespace

int usable_cores() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
#endif
  int count = static_cast<int>(std::thread::hardware_concurrency());
  return count > 0 ? count : 1;
}

namespace {

Pool& pool() {
  static auto* const kept = new Pool;  // its threads never end
  return *kept;
}

}  // namespace

StopScope::StopScope(const std::atomic<bool>& flag) : outer_(std::exchange(current_stop, &flag)) {}
StopScope::~StopScope() { current_stop = outer_; }

void start() { pool(); }

void share(size_t count, const std::function<void(size_t)>& job) { pool().share(count, job); }

void share_together(size_t count, const std::function<void(size_t)>& job) {
  pool().share_together(count, job);
}

}  // namespace davit::threads
