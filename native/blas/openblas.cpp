// OpenBLAS: the matrix products that libmlx calls, and how many threads they use.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>

#include "blas/blas.h"
#include "threads/pool.h"

extern "C" {
char* scipy_openblas_get_config();
char* scipy_openblas_get_corename();
void scipy_openblas_set_num_threads(int count);
// OpenBLAS hands its jobs to this function, which returns when all are done. They wait for each
// other.
using DoJob = void (*)(int number, void* data, int extra);
using RunJobs = void (*)(int sync, DoJob job, int count, size_t item, void* data, int extra);
void scipy_openblas_set_threads_callback_function(RunJobs run);
void scipy_cblas_sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k,
                       float alpha, const float* a, int lda, const float* b, int ldb, float beta,
                       float* c, int ldc);
void scipy_cblas_dgemm(int order, int transpose_a, int transpose_b, int m, int n, int k,
                       double alpha, const double* a, int lda, const double* b, int ldb,
                       double beta, double* c, int ldc);
void scipy_cblas_cgemm(int order, int transpose_a, int transpose_b, int m, int n, int k,
                       const void* alpha, const void* a, int lda, const void* b, int ldb,
                       const void* beta, void* c, int ldc);
}

namespace davit::blas {

namespace {

using Clock = std::chrono::steady_clock;

// Multiplications up to which OpenBLAS uses one thread, whatever it may use.
constexpr int64_t kAlone = 1 << 18;

// Less than this is lost to many things.
constexpr auto kHiccup = std::chrono::milliseconds(1);
constexpr Clock::duration kLongestPause = std::chrono::seconds(1);

struct Shape {
  int m = 0;
  int n = 0;
  int k = 0;
  size_t item = 0;
  bool operator==(const Shape&) const = default;
  int64_t multiplications() const { return int64_t{m} * n * k; }
};

// OpenBLAS has no threads of its own that work: those of the pool do its jobs.
void run_jobs(int, DoJob job, int count, size_t item, void* data, int extra) {
  threads::share_together(static_cast<size_t>(count), [=](size_t i) {
    job(static_cast<int>(i), static_cast<char*>(data) + i * item, extra);
  });
}

// The number of threads that OpenBLAS uses.
//
// They wait for each other busily. Where another process has taken the core of one, the others
// wait for a time slice of the scheduler. Microseconds for float32 products, two cores, AMD EPYC,
// median with one thread and with two on an idle machine, then means beside one busy process:
//
//     m x n x k            idle: one    two     busy: one    two
//     8 x 384 x 384               41     29            56     66
//     128 x 128 x 128             42     31            76    204
//     16 x 1536 x 384            281    174           336    987
//     128 x 384 x 384            369    198           551   5974
//     256 x 384 x 384            717    374           975  24231
//     512 x 512 x 512           2623   1359          2920   5916
//     1024 x 1024 x 1024       21048  10561         27048  27126
//
// So two are better from the smallest product on, or worse up to the largest: a limit by size is
// wrong on an idle machine or useless on a busy one. Instead, a product that takes much longer than
// one thread would have taken tells that others want the cores. Calls then use one for as long as
// was lost, and each time that it happens again soon for twice as long.
class Threads {
 public:
  void begin() {
    std::lock_guard lock(mutex_);
    ++computing_;
    choose(Clock::now());
  }

  void end() { --computing_; }

  // The threads of a call that begins now.
  int now(Clock::time_point time) {
    if (computing_.load(std::memory_order_relaxed) > 1) return 1;
    std::lock_guard lock(mutex_);
    return choose(time);
  }

  // A product was computed by so many threads.
  void note(const Shape& shape, int used, Clock::time_point begin, Clock::time_point end) {
    std::lock_guard lock(mutex_);
    Best& best = best_[hash(shape) % best_.size()];
    // A nanosecond for each multiplication is more than a machine needs.
    if (!(best.shape == shape)) {
      best = {shape, std::chrono::nanoseconds(shape.multiplications())};
    }
    auto took = end - begin;
    auto lost = took - best.time;
    if (lost > kHiccup && took > 2 * used * best.time) {
      bool again = begin - one_until_ < pause_;
      pause_ = std::min(again ? 2 * pause_ : lost, kLongestPause);
      one_until_ = end + pause_;
    }
    best.time = std::min<Clock::duration>(best.time, took);
  }

 private:
  // The shortest time in which several threads have computed a product.
  struct Best {
    Shape shape;
    Clock::duration time{};
  };

  static size_t hash(const Shape& shape) {
    uint64_t mixed = 0;
    for (uint64_t part : {static_cast<uint64_t>(shape.m), static_cast<uint64_t>(shape.n),
                          static_cast<uint64_t>(shape.k), static_cast<uint64_t>(shape.item)}) {
      mixed = (mixed ^ part) * 0x9e3779b97f4a7c15;
    }
    return mixed >> 32;
  }

  int choose(Clock::time_point time) {
    std::call_once(handed_, [] {
      threads::start();
      scipy_openblas_set_threads_callback_function(run_jobs);
    });
    static const int cores = threads::usable_cores();
    int wanted = computing_ > 1 || time < one_until_ ? 1 : cores;
    if (wanted != current_) {
      scipy_openblas_set_num_threads(wanted);
      current_ = wanted;
    }
    return wanted;
  }

  std::mutex mutex_;
  std::once_flag handed_;
  std::atomic<int> computing_{0};
  int current_ = 0;
  Clock::time_point one_until_;
  Clock::duration pause_{};
  std::array<Best, 256> best_;
};

Threads& threads() {
  static auto* const kept = new Threads;
  return *kept;
}

template <typename Multiply>
void product(const Shape& shape, Multiply&& multiply) {
  if (shape.multiplications() <= kAlone) return multiply();
  auto begin = Clock::now();
  int used = threads().now(begin);
  multiply();
  if (used > 1) threads().note(shape, used, begin, Clock::now());
}

}  // namespace

std::string config() {
  // The build options name the newest kernels; the core name says which ones this machine runs.
  return std::string(scipy_openblas_get_config()) + " core=" + scipy_openblas_get_corename();
}

Share::Share() { threads().begin(); }
Share::~Share() { threads().end(); }

}  // namespace davit::blas

// In front of those of MLX's own BLAS, as forward.S explains.
#define DAVIT_EXPORT extern "C" __attribute__((visibility("default")))

DAVIT_EXPORT void cblas_sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k,
                              float alpha, const float* a, int lda, const float* b, int ldb,
                              float beta, float* c, int ldc) {
  davit::blas::product({m, n, k, sizeof(float)}, [&] {
    scipy_cblas_sgemm(order, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c,
                      ldc);
  });
}

DAVIT_EXPORT void cblas_dgemm(int order, int transpose_a, int transpose_b, int m, int n, int k,
                              double alpha, const double* a, int lda, const double* b, int ldb,
                              double beta, double* c, int ldc) {
  davit::blas::product({m, n, k, sizeof(double)}, [&] {
    scipy_cblas_dgemm(order, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c,
                      ldc);
  });
}

DAVIT_EXPORT void cblas_cgemm(int order, int transpose_a, int transpose_b, int m, int n, int k,
                              const void* alpha, const void* a, int lda, const void* b, int ldb,
                              const void* beta, void* c, int ldc) {
  davit::blas::product({m, n, k, 2 * sizeof(float)}, [&] {
    scipy_cblas_cgemm(order, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c,
                      ldc);
  });
}
