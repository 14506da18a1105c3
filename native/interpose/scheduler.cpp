#include <mlx/mlx.h>
#include <mlx/scheduler.h>

#include <atomic>
#include <exception>
#include <utility>

#include "interpose/interpose.h"

#ifdef __linux__

#include "interpose/original.h"

namespace {

std::atomic<bool> inline_streams{false};
std::atomic<int> tasks_seen{0};
std::atomic<int> signals_seen{0};

// The first exception of a task of this thread's streams, until check_streams() takes it.
std::exception_ptr& thread_error() {
  static thread_local std::exception_ptr error;
  return error;
}

bool inlined(mlx::core::Stream stream) {
  return inline_streams.load(std::memory_order_relaxed) && stream.device == mlx::core::Device::cpu;
}

}  // namespace

// The same contracts as MLX's own (mlx/scheduler.h), without the threads. An error does not travel
// in events: check_streams() throws it on the thread that evaluates.
namespace mlx::core::scheduler {

void Scheduler::enqueue(Stream s, std::function<void()> task) {
  if (!inlined(s)) {
    using Function = void (*)(Scheduler*, Stream, std::function<void()>);
    static const auto original = davit::interpose::original<Function>(
        "_ZN3mlx4core9scheduler9Scheduler7enqueueENS0_6StreamESt8functionIFvvEE");
    original(this, s, std::move(task));
    return;
  }
  tasks_seen.fetch_add(1, std::memory_order_relaxed);
  try {
    task();
  } catch (...) {
    if (!thread_error()) thread_error() = std::current_exception();
  }
}

void Scheduler::wait_event(Stream s, Event event, std::function<void(Event&)> task) {
  if (!inlined(s)) {
    using Function = void (*)(Scheduler*, Stream, Event, std::function<void(Event&)>);
    static const auto original = davit::interpose::original<Function>(
        "_ZN3mlx4core9scheduler9Scheduler10wait_eventENS0_6StreamENS0_5EventESt8functionIFvRS4_EE");
    original(this, s, std::move(event), std::move(task));
    return;
  }
  task(event);
}

void Scheduler::signal_event(Stream s, Event event, std::function<void(Event&)> task) {
  if (!inlined(s)) {
    using Function = void (*)(Scheduler*, Stream, Event, std::function<void(Event&)>);
    static const auto original = davit::interpose::original<Function>(
        "_ZN3mlx4core9scheduler9Scheduler12signal_eventENS0_6StreamENS0_"
        "5EventESt8functionIFvRS4_EE");
    original(this, s, std::move(event), std::move(task));
    return;
  }
  signals_seen.fetch_add(1, std::memory_order_relaxed);
  task(event);
}

void Scheduler::check_error(Stream s) {
  if (!inlined(s)) {
    using Function = void (*)(Scheduler*, Stream);
    static const auto original = davit::interpose::original<Function>(
        "_ZN3mlx4core9scheduler9Scheduler11check_errorENS0_6StreamE");
    original(this, s);
    return;
  }
  davit::interpose::check_streams();
}

}  // namespace mlx::core::scheduler

namespace davit::interpose {

bool run_streams_inline() {
  namespace mx = mlx::core;
  if (inline_streams.exchange(true)) return true;
  int tasks = tasks_seen;
  int signals = signals_seen;
  mx::eval(mx::add(mx::array(1.0f), mx::array(2.0f), mx::Device(mx::Device::cpu)));
  bool works = tasks_seen > tasks && signals_seen > signals;
  inline_streams = works;
  return works;
}

bool streams_inline() { return inline_streams.load(std::memory_order_relaxed); }

void check_streams() {
  auto error = std::exchange(thread_error(), nullptr);
  if (error) std::rethrow_exception(error);
}

void forget_stream_errors() { thread_error() = nullptr; }

}  // namespace davit::interpose

#else

namespace davit::interpose {
bool run_streams_inline() { return false; }
bool streams_inline() { return false; }
void check_streams() {}
void forget_stream_errors() {}
}  // namespace davit::interpose

#endif
