#include "engine/engine.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <future>
#include <stdexcept>
#include <thread>

#include "interpose/interpose.h"
#include "kernels/instructions.h"

namespace davit {

namespace {

template <typename Map>
auto& find(Map& map, int64_t id, const char* what) {
  auto it = map.find(id);
  if (it == map.end()) {
    throw OpError(std::string(what) + "_unknown",
                  std::string(what) + " " + std::to_string(id) + " does not exist");
  }
  return it->second;
}

// Settings of the whole process; returns whether CPU streams run inline.
bool apply_settings(const EngineOptions& options) {
  bool inline_streams = false;
  mx::set_default_device(options.device);
  static std::once_flag first;
  std::call_once(first, [] { mx::synchronize(mx::default_stream(mx::Device::cpu)); });
  // The limit comes last: it may be less than it takes to find out what has an effect.
  interpose::limit_allocations(0);
  interpose::allocation_checks();
  try {
    kernels::instructions();
  } catch (const std::invalid_argument& error) {
    throw OpError("option_invalid", error.what());
  }
  // The variable is for tests of what other platforms do.
  bool allowed = std::getenv("DAVIT_STREAM_THREADS") == nullptr;
  if (options.device == mx::Device::cpu && allowed) {
    inline_streams = interpose::run_streams_inline();
  }
  mx::set_cache_limit(options.cache_limit);
  // On the CPU of Linux fused kernels are built by a C++ compiler at run time, 300 ms and more
  // each, through files with predictable names.
  if (options.device == mx::Device::cpu) mx::set_compile_mode(mx::CompileMode::no_fuse);
  if (options.memory_limit > 0) mx::set_memory_limit(options.memory_limit);
  interpose::limit_allocations(options.memory_limit);
  return inline_streams;
}

// Applies the settings on a thread that ends: the thread that first touches MLX's scheduler is its
// "main" thread and can see other streams' errors in the middle of an evaluation.
bool set_up_mlx(const EngineOptions& options) {
  bool inline_streams = false;
  std::exception_ptr error;
  std::thread([&] {
    try {
      inline_streams = apply_settings(options);
    } catch (...) {
      error = std::current_exception();
    }
    mx::clear_streams();
  }).join();
  if (error) std::rethrow_exception(error);
  return inline_streams;
}

// A process may end while lanes compute, and must not destroy what they use: OpenBLAS waits for
// its threads and MLX's allocator goes while they compute. Registered after both, this runs before
// their destructors.
void end_at_once() {
#ifdef __linux__
  static std::once_flag once;
  std::call_once(once, [] {
    ::on_exit(
        [](int status, void*) {
          std::fflush(nullptr);
          ::_exit(status);
        },
        nullptr);
  });
#endif
}

}  // namespace

Engine::Engine(EngineOptions options)
    : outbox_(options.wake), memory_limit_(options.memory_limit), device_(options.device) {
  bool inline_streams = set_up_mlx(options);
  end_at_once();
  for (int i = 0; i < std::max(1, options.lanes); ++i) {
    auto lane = std::make_unique<Lane>(outbox_, counters_, options.device, inline_streams);
    lane->post([relief = options.relief] { interpose::relieve_thread_by(relief); });
    lanes_.push_back(std::move(lane));
  }
  if (!inline_streams) interpose::relieve_others_by(options.relief);
  if (inline_streams) {
    js_lane_ = std::make_unique<Lane>(outbox_, counters_, options.device, true,
                                      Lane::Thread::callers, options.wake);
  }
}

Engine::~Engine() { close(); }

void Engine::close() {
  for (const auto& lane : lanes_) lane->end();
}

int64_t Engine::load_program(std::vector<Function> functions) {
  int64_t id = next_id_++;
  programs_.emplace(id, std::make_shared<Program>(id, std::move(functions)));
  return id;
}

void Engine::unload_program(int64_t program) {
  auto it = programs_.find(program);
  if (it == programs_.end()) return;
  it->second->set_unloaded();
  {
    std::lock_guard lock(mutex_);
    release_if_unused(*it->second);
  }
  programs_.erase(it);
  for (const auto& each : lanes_) {
    Lane* lane = each.get();
    lane->post([lane, program] { lane->forget(program); });
  }
  if (js_lane_) js_lane_->forget(program);
}

std::function<void()> Engine::exporting(std::string path, std::vector<ExportedTrace> traces,
                                        ExportOptions options) {
  return [this, path = std::move(path), traces = std::move(traces), options = std::move(options),
          device = device_, inline_streams = js_lane_ != nullptr] {
    Lane lane(outbox_, counters_, device, inline_streams);
    std::promise<void> done;
    lane.post([&] {
      try {
        export_traces(lane, path, traces, options);
        done.set_value();
      } catch (...) {
        done.set_exception(std::current_exception());
      }
    });
    done.get_future().get();
  };
}

const ProgramPtr& Engine::program(int64_t id) const { return find(programs_, id, "program"); }

int64_t Engine::create_queue() {
  int64_t id = next_id_++;
  auto queue = std::make_shared<Queue>();
  queue->id = id;
  queue->lane = lanes_[next_lane_++ % lanes_.size()].get();
  queues_.emplace(id, std::move(queue));
  return id;
}

void Engine::close_queue(int64_t queue) { queues_.erase(queue); }

const std::shared_ptr<Queue>& Engine::queue(int64_t id) const { return find(queues_, id, "queue"); }

int64_t Engine::create_credit_budget(int64_t budget, int64_t least) {
  int64_t id = next_id_++;
  budgets_.emplace(id, std::make_shared<CreditBudget>(budget, least));
  return id;
}

void Engine::close_credit_budget(int64_t budget) {
  auto it = budgets_.find(budget);
  if (it == budgets_.end()) return;
  it->second->close();
  budgets_.erase(it);
}

void Engine::credit(int64_t budget, int64_t bytes) {
  auto it = budgets_.find(budget);
  if (it == budgets_.end()) return;  // credit may come after the budget was closed
  it->second->release(bytes);
  if (!it->second->idle()) return;
  for (const auto& [_, subscription] : subscriptions_) {
    if (subscription->budget() == it->second) subscription->flush(outbox_, -1);
  }
}

int64_t Engine::create_subscription(int64_t budget, Policy policy, double interval, View view) {
  const auto& shared = find(budgets_, budget, "budget");
  int64_t id = next_id_++;
  subscriptions_.emplace(
      id, std::make_shared<Subscription>(id, shared, policy, interval, std::move(view)));
  return id;
}

void Engine::close_subscription(int64_t subscription) {
  auto it = subscriptions_.find(subscription);
  if (it == subscriptions_.end()) return;
  it->second->close();
  subscriptions_.erase(it);
}

SubscriptionPtr Engine::subscription(int64_t id) const {
  return find(subscriptions_, id, "subscription");
}

void Engine::subscribe(int64_t program_id, int64_t subscription_id,
                       const std::vector<int64_t>& sites) {
  program(program_id)->subscribe(subscription(subscription_id), sites);
}

}  // namespace davit
