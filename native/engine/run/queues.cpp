// The queues of runs: their beginning and their end.
#include <algorithm>

#include "engine/engine.h"

namespace davit {

namespace {

// The id of runs whose end is not put into the outbox.
constexpr int64_t kUntold = 0;

// While it lives, the JavaScript thread works for the engine, and takes from the outbox afterwards.
class Hold {
 public:
  explicit Hold(Outbox& outbox) : outbox_(outbox) { outbox_.hold(); }
  ~Hold() { outbox_.unhold(); }
  Hold(const Hold&) = delete;

 private:
  Outbox& outbox_;
};

void check_inputs(const Program& program, const std::vector<ValuePtr>& inputs) {
  program.check_input_count(inputs.size());
  const auto& parameters = program.entry().parameters;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i]->type() == parameters[i]) continue;
    throw OpError("input_type_invalid", "input " + std::to_string(i) + " is " +
                                            to_string(inputs[i]->type()) + "; the program takes " +
                                            to_string(parameters[i]));
  }
}

}  // namespace

void Engine::settled(Value& value) {
  auto waiters = std::move(value.waiters);
  value.waiters.clear();
  for (const auto& run : waiters) {
    if (--run->waiting_on == 0) try_start(*run->queue());
  }
}

void Engine::settle(Value& value, mx::array array) {
  std::lock_guard lock(mutex_);
  if (value.settled()) return;
  value.set(std::move(array));
  settled(value);
}

void Engine::settle(Value& value, FailurePtr failure) {
  std::lock_guard lock(mutex_);
  if (value.settled()) return;
  value.fail(std::move(failure));
  settled(value);
}

RunPtr Engine::make_run(int64_t id, int64_t program_id, int64_t queue_id,
                        std::vector<ValuePtr> inputs, std::vector<SiteSubscription> subscriptions) {
  const auto& program = this->program(program_id);
  const auto& queue = this->queue(queue_id);
  check_inputs(*program, inputs);
  std::vector<ValuePtr> outputs;
  for (int result : program->entry().results) {
    outputs.push_back(std::make_shared<Value>(program->entry().type_of_value(result)));
  }
  return std::make_shared<Run>(*this, id, program, queue, std::move(inputs), std::move(outputs),
                               std::move(subscriptions));
}

std::vector<int64_t> Engine::run(int64_t id, int64_t program_id, int64_t queue_id,
                                 std::vector<ValuePtr> inputs,
                                 const std::vector<std::pair<int, int64_t>>& subscriptions,
                                 const std::vector<int64_t>& donated) {
  {
    std::lock_guard lock(mutex_);
    if (runs_.contains(id)) {
      throw OpError("run_taken", "run " + std::to_string(id) + " is under way");
    }
  }
  std::vector<SiteSubscription> own;
  own.reserve(subscriptions.size());
  for (const auto& [site, subscription_id] : subscriptions) {
    own.emplace_back(site, subscription(subscription_id));
  }
  auto run = make_run(id, program_id, queue_id, std::move(inputs), std::move(own));
  for (int64_t value : donated) values_.remove(value);
  std::vector<int64_t> output_ids;
  for (const auto& output : run->outputs()) output_ids.push_back(values_.add(output));

  std::unique_lock lock(mutex_);
  runs_.emplace(id, run);
  if (begin_here(run)) {
    lock.unlock();
    advance_here(*run);
    return output_ids;
  }
  auto wait_for = [&](const ValuePtr& value) {
    if (!value->pending()) return;
    value->waiters.push_back(run);
    ++run->waiting_on;
  };
  for (const auto& input : run->inputs()) wait_for(input);
  for (const auto& constant : run->program()->bound_values()) wait_for(constant);
  run->queue()->runs.push_back(run);
  try_start(*run->queue());
  return output_ids;
}

RunPtr Engine::complete_here(int64_t program_id, int64_t queue_id, std::vector<ValuePtr> inputs) {
  auto run = make_run(kUntold, program_id, queue_id, std::move(inputs), {});
  // It must be over when it is advanced once, and only its outputs tell whether it failed.
  if (!run->program()->entry().straight() || run->outputs().empty()) return nullptr;
  {
    std::lock_guard lock(mutex_);
    if (!begin_here(run)) return nullptr;
  }
  // Nothing is put into the outbox for it, so the wake-up for what others put there is not held
  // back.
  run->advance();
  return run;
}

std::optional<Arrays> Engine::run_here(int64_t program, int64_t queue,
                                       std::vector<ValuePtr> inputs) {
  auto run = complete_here(program, queue, std::move(inputs));
  if (!run) return std::nullopt;
  Arrays results;
  for (const auto& output : run->outputs()) results.push_back(output->array());
  return results;
}

std::optional<std::vector<int64_t>> Engine::make_here(int64_t program, int64_t queue,
                                                      std::vector<ValuePtr> inputs) {
  auto run = complete_here(program, queue, std::move(inputs));
  if (!run) return std::nullopt;
  // This throws where the run failed, before anything has a name.
  for (const auto& output : run->outputs()) output->array();
  std::vector<int64_t> ids;
  for (const auto& output : run->outputs()) ids.push_back(values_.add(output));
  return ids;
}

bool Engine::begin_here(const RunPtr& run) {
  Queue& queue = *run->queue();
  const Program& program = *run->program();
  // A run that has to wait for a tensor does so in its queue; a file is read by a lane.
  auto there = [](const ValuePtr& value) { return value->settled(); };
  bool here = js_lane_ && program.is_brief() && !queue.busy && queue.runs.empty() &&
              std::ranges::all_of(run->inputs(), there) &&
              std::ranges::all_of(program.bound_values(), there) && run->unwatched();
  if (!here) return false;
  queue.runs.push_back(run);
  queue.busy = true;
  run->started = true;
  run->set_lane(*js_lane_);
  return true;
}

void Engine::advance_here(Run& run) {
  Hold hold(outbox_);
  run.advance();
}

Batch Engine::take_batch() {
  if (js_lane_) {
    Hold hold(outbox_);
    js_lane_->run_posted();
  }
  return outbox_.take();
}

void Engine::try_start(Queue& queue) {
  if (queue.busy || queue.runs.empty()) return;
  const auto& run = queue.runs.front();
  if (run->waiting_on > 0) return;
  queue.busy = true;
  run->started = true;
  run->resume();
}

void Engine::finished(const RunPtr& run, Arrays results, FailurePtr failure) {
  counters_.runs.fetch_add(1, std::memory_order_relaxed);
  {
    std::lock_guard lock(mutex_);
    runs_.erase(run->id());
    release_if_unused(*run->program());
    for (size_t i = 0; i < run->outputs().size(); ++i) {
      Value& output = *run->outputs()[i];
      if (failure) {
        output.fail(failure);
      } else {
        output.set(std::move(results[i]));
      }
      settled(output);
    }
    // Before runs that wait for them begin.
    if (run->id() != kUntold) run->release_outputs();
    auto& queue = *run->queue();
    queue.runs.pop_front();
    queue.busy = false;
    // Under the lock: a run that waits for an output must not be over before this one.
    if (run->id() != kUntold) outbox_.finished(run->id(), failure.get());
    try_start(queue);
  }
}

void Engine::release_if_unused(Program& program) {
  if (!program.unloaded()) return;
  bool used = std::ranges::any_of(
      runs_, [&](const auto& each) { return each.second->program().get() == &program; });
  if (!used) program.release_bound_values();
}

void Engine::cancel(int64_t id, std::string code, std::string message) {
  RunPtr run;
  {
    std::lock_guard lock(mutex_);
    auto it = runs_.find(id);
    if (it == runs_.end()) return;
    run = it->second;
    run->cancel_flag().set(std::move(code), std::move(message));
    if (!run->started) {
      // It never gets to a lane: it leaves its queue and fails at once.
      auto failure = std::make_shared<Failure>();
      try {
        run->cancel_flag().check();
      } catch (const RunError& error) {
        *failure = *error.failure();
      }
      auto& runs = run->queue()->runs;
      runs.erase(std::find(runs.begin(), runs.end(), run));
      runs_.erase(it);
      for (const auto& input : run->inputs()) std::erase(input->waiters, run);
      for (const auto& constant : run->program()->bound_values()) {
        std::erase(constant->waiters, run);
      }
      release_if_unused(*run->program());
      for (const auto& output : run->outputs()) {
        output->fail(failure);
        settled(*output);
      }
      try_start(*run->queue());
      outbox_.finished(id, failure.get());
      return;
    }
  }
  run->queue()->lane->wake();
  run->resume();
}

RunPtr Engine::find_run(int64_t id) {
  std::lock_guard lock(mutex_);
  auto it = runs_.find(id);
  return it == runs_.end() ? nullptr : it->second;
}

std::optional<std::vector<TensorType>> Engine::reply_types(int64_t id, int64_t callback) {
  RunPtr run = find_run(id);
  if (!run) return std::nullopt;
  return run->reply_types(callback);
}

void Engine::reply(int64_t id, int64_t callback, const std::vector<ValuePtr>& values) {
  Arrays arrays;
  for (const auto& value : values) arrays.push_back(value->array());
  RunPtr run = find_run(id);
  if (!run || !run->take_reply(callback, std::move(arrays))) return;
  if (run->is_on(js_lane_.get())) {
    advance_here(*run);
  } else {
    run->resume();
  }
}

void Engine::reply_error(int64_t id, int64_t callback, std::string code, std::string message) {
  RunPtr run = find_run(id);
  auto failure = std::make_shared<Failure>(Failure{std::move(code), std::move(message)});
  if (run && run->take_reply(callback, std::move(failure))) run->resume();
}

}  // namespace davit
