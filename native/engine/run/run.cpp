#include "engine/run/run.h"

#include "engine/engine.h"

namespace davit {

namespace {

// An input's value; nobody else keeps it if nobody else has the tensor, so that its memory may be
// overwritten. Where it failed, the node at fault is one of another program.
mx::array input_array(const ValuePtr& input) {
  try {
    return input.use_count() == 1 ? input->take() : input->array();
  } catch (const RunError& error) {
    throw RunError(error.failure()->code, error.failure()->message);
  }
}

}  // namespace

Run::Run(Engine& engine, int64_t id, ProgramPtr program, std::shared_ptr<Queue> queue,
         std::vector<ValuePtr> inputs, std::vector<ValuePtr> outputs,
         std::vector<SiteSubscription> subscriptions)
    : engine_(engine),
      id_(id),
      program_(std::move(program)),
      queue_(std::move(queue)),
      inputs_(std::move(inputs)),
      outputs_(std::move(outputs)),
      own_subscriptions_(std::move(subscriptions)),
      lane_(queue_->lane) {}

void Run::advance() {
  if (ended_) return;
  try {
    cancel_.check();
    if (!begun_) {
      begun_ = Clock::now();
      Arrays arguments;
      arguments.reserve(inputs_.size());
      for (const auto& input : inputs_) arguments.push_back(input_array(input));
      inputs_.clear();
      push(program_->entry(), std::move(arguments), std::nullopt,
           [this](Arrays results) { results_ = std::move(results); });
    }
    while (!frames_.empty()) {
      cancel_.check();
      Frame& frame = *frames_.back();
      if (frame.step < frame.function->steps.size()) {
        if (!step(frame)) return;
        continue;
      }
      Arrays results;
      results.reserve(frame.function->results.size());
      for (int result : frame.function->results) {
        results.push_back(*frame.values[static_cast<size_t>(result)]);
      }
      auto done = std::move(frame.done);
      frames_.pop_back();
      done(std::move(results));
    }
    end(nullptr);
  } catch (...) {
    end(current_failure());
  }
}

void Run::end(FailurePtr failure) {
  ended_ = true;
  frames_.clear();
  Arrays results;
  if (!failure) {
    try {
      for (const auto& result : *results_) results.push_back(compacted(result));
    } catch (...) {
      failure = current_failure();
    }
  }
  results_.reset();
  if (!failure) program_->took(Clock::now() - *begun_);
  // A kept latest value of this run goes out before its result.
  for (const auto& subscription : latest_) subscription->flush(engine_.outbox(), id_);
  latest_.clear();
  engine_.finished(shared_from_this(), std::move(results), std::move(failure));
  by_segment_.clear();
  // The segments that this run compiled after its program was unloaded are not used again.
  if (program_->unloaded()) lane_->forget(program_->id());
}

void Run::resume() {
  lane_->post([run = shared_from_this()] { run->advance(); });
}

bool Run::step(Frame& frame) {
  const Step& step = frame.function->steps[frame.step];
  if (const auto* segment = std::get_if<Segment>(&step)) return launch(frame, *segment);
  return control(frame, frame.function->nodes[static_cast<size_t>(std::get<int>(step))]);
}

void Run::push(const Function& function, Arrays arguments, std::optional<int64_t> iteration,
               Continuation done) {
  auto frame = std::make_unique<Frame>();
  frame->function = &function;
  frame->values.resize(static_cast<size_t>(function.value_count));
  for (size_t i = 0; i < arguments.size(); ++i) frame->values[i] = std::move(arguments[i]);
  for (int index : function.bound) {
    const Node& node = function.nodes[static_cast<size_t>(index)];
    frame->values[static_cast<size_t>(node.first_output)] = node.bound->array();
  }
  frame->iteration = iteration;
  frame->done = std::move(done);
  frames_.push_back(std::move(frame));
}

LoopPath Run::path() const {
  LoopPath path;
  for (const auto& frame : frames_) {
    if (frame->iteration) path.push_back(*frame->iteration);
  }
  return path;
}

bool Run::launch(Frame& frame, const Segment& segment) {
  if (!frame.pieces) {
    const SegmentSubscriptions& watched = subscriptions(*frame.function, segment);
    if (watched.sites.size() < 2 || watched.largest_share() > 0) {
      if (!launch_whole(frame, segment, watched)) return false;
      ++frame.step;
      return true;
    }
    // One launch may emit more than the credit there is: the segment is cut behind its hooks.
    frame.pieces = lane_->pieces(program_, *frame.function, segment, watched.sites);
  }
  while (frame.piece < frame.pieces->size()) {
    const Segment& piece = (*frame.pieces)[frame.piece];
    cancel_.check();
    if (!launch_whole(frame, piece, subscriptions(*frame.function, piece))) return false;
    ++frame.piece;
  }
  frame.pieces.reset();
  frame.piece = 0;
  ++frame.step;
  return true;
}

bool Run::launch_whole(Frame& frame, const Segment& segment, const SegmentSubscriptions& watched) {
  if (!reserve(watched, 1)) return false;
  const Function& function = *frame.function;
  Lane& lane = *lane_;
  Arrays inputs;
  inputs.reserve(segment.inputs.size() + 1);
  for (int value : segment.inputs) {
    auto& slot = frame.values[static_cast<size_t>(value)];
    inputs.push_back(*slot);
    // A value that is not used again is given up here, so that MLX may reuse its memory.
    if (function.last_use[static_cast<size_t>(value)] < segment.last) slot.reset();
  }
  if (!watched.sites.empty()) inputs.push_back(first_token());
  expect(watched, false, 0, 1);
  Arrays outputs;
  try {
    outputs = lane.launch(program_, function, segment, watched.sites, std::move(inputs), cancel_);
    lane.evaluate(outputs, cancel_);
  } catch (...) {
    lane.cursor().abandon();
    throw;
  }
  for (size_t i = 0; i < segment.outputs.size(); ++i) {
    frame.values[static_cast<size_t>(segment.outputs[i])] = std::move(outputs[i]);
  }
  return true;
}

}  // namespace davit
