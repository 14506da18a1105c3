#include "engine/run.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "engine/engine.h"

namespace davit {

namespace {

// The most iterations of a counted loop in one launch, and the time a launch aims at: short enough
// to see a cancel and to let hooks out, long enough to hide what a launch costs.
constexpr int64_t kLargestBatch = 256;
constexpr std::chrono::milliseconds kBatchTime{5};

// An input's value. Where it failed, the node at fault is one of another program.
const mx::array& input_array(Value& input) {
  try {
    return input.array();
  } catch (const RunError& error) {
    throw RunError(error.failure()->code, error.failure()->message);
  }
}

bool truth(mx::array array) { return array.item<bool>(); }

int64_t integer(mx::array array) {
  switch (array.dtype().val()) {
    case mx::Dtype::Val::bool_:
      return array.item<bool>();
    case mx::Dtype::Val::uint8:
      return array.item<uint8_t>();
    case mx::Dtype::Val::uint16:
      return array.item<uint16_t>();
    case mx::Dtype::Val::uint32:
      return array.item<uint32_t>();
    case mx::Dtype::Val::uint64:
      return static_cast<int64_t>(std::min<uint64_t>(array.item<uint64_t>(), INT64_MAX));
    case mx::Dtype::Val::int8:
      return array.item<int8_t>();
    case mx::Dtype::Val::int16:
      return array.item<int16_t>();
    case mx::Dtype::Val::int32:
      return array.item<int32_t>();
    case mx::Dtype::Val::int64:
      return array.item<int64_t>();
    default:
      throw RunError("dtype_unsupported",
                     "an integer scalar was expected, not " + to_string(type_of(array)));
  }
}

}  // namespace

Run::Run(Engine& engine, int64_t id, ProgramPtr program, std::shared_ptr<Queue> queue,
         std::vector<ValuePtr> inputs, std::vector<ValuePtr> outputs, std::vector<RunWatch> watches)
    : engine_(engine),
      id_(id),
      program_(std::move(program)),
      queue_(std::move(queue)),
      inputs_(std::move(inputs)),
      outputs_(std::move(outputs)),
      own_watches_(std::move(watches)),
      lane_(queue_->lane) {}

void Run::advance() {
  if (ended_) return;
  try {
    cancel_.check();
    if (!begun_) {
      begun_ = true;
      Arrays arguments;
      arguments.reserve(inputs_.size());
      for (const auto& input : inputs_) arguments.push_back(input_array(*input));
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
  // A kept latest value of this run goes out before its result.
  for (const auto& subscription : latest_) subscription->flush(engine_.outbox(), id_);
  latest_.clear();
  engine_.finished(shared_from_this(), results, std::move(failure));
  watching_.clear();
  // What this run compiled after its program was unloaded is nobody's.
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

// --- segments -----------------------------------------------------------------------------------

bool Run::launch(Frame& frame, const Segment& segment) {
  if (!frame.pieces) {
    const Watching& watched = watching(*frame.function, segment);
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
    if (!launch_whole(frame, piece, watching(*frame.function, piece))) return false;
    ++frame.piece;
  }
  frame.pieces.reset();
  frame.piece = 0;
  ++frame.step;
  return true;
}

bool Run::launch_whole(Frame& frame, const Segment& segment, const Watching& watched) {
  if (!reserve(watched, 1)) return false;
  const Function& function = *frame.function;
  Lane& lane = *lane_;
  Arrays outputs;
  try {
    Arrays inputs;
    inputs.reserve(segment.inputs.size() + 1);
    for (int value : segment.inputs) {
      auto& slot = frame.values[static_cast<size_t>(value)];
      inputs.push_back(*slot);
      // What is not used again is given up here, so that MLX may reuse its memory.
      if (function.last_use[static_cast<size_t>(value)] < segment.last) slot.reset();
    }
    if (!watched.sites.empty()) inputs.push_back(first_token());
    outputs = lane.compiled(program_, function, segment, watched.sites)(inputs);
  } catch (...) {
    release(watched, 1);
    throw;
  }
  expect(watched, false, 0, 1);
  try {
    lane.evaluate(outputs, cancel_);
  } catch (...) {
    auto failure = current_failure();
    bool unlocated = failure->code == "mlx" || failure->code == "out_of_memory";
    if (!unlocated || failure->site >= 0) throw;
    throw RunError(failure->code, failure->message, locate(frame, segment));
  }
  for (size_t i = 0; i < segment.outputs.size(); ++i) {
    frame.values[static_cast<size_t>(segment.outputs[i])] = std::move(outputs[i]);
  }
  return true;
}

// Finds the node at which an evaluation failed by evaluating node by node; -1 where the operands of
// the segment are no longer there.
int Run::locate(const Frame& frame, const Segment& segment) {
  if (&frame != frames_.front().get()) return -1;
  const Function& function = *frame.function;
  std::unordered_map<int, mx::array> values;
  try {
    for (size_t i = 0; i < inputs_.size(); ++i) {
      values.emplace(static_cast<int>(i), inputs_[i]->array());
    }
    for (int index : function.bound) {
      const Node& node = function.nodes[static_cast<size_t>(index)];
      values.emplace(node.first_output, node.bound->array());
    }
  } catch (...) {
    return -1;
  }
  for (int i = segment.first; i < segment.last; ++i) {
    const Node& node = function.nodes[static_cast<size_t>(i)];
    if (node.kind == NodeKind::bound_constant) continue;
    std::vector<std::optional<mx::array>> operands;
    for (int input : node.inputs) {
      if (input < 0) {
        operands.emplace_back();
        continue;
      }
      auto it = values.find(input);
      if (it == values.end()) return -1;
      operands.emplace_back(it->second);
    }
    try {
      auto outputs = lower(node, operands, lane_->stream());
      lane_->evaluate(outputs, cancel_);
      for (size_t k = 0; k < outputs.size(); ++k) {
        values.emplace(node.first_output + static_cast<int>(k), outputs[k]);
      }
    } catch (...) {
      return node.site;
    }
  }
  return -1;
}

// --- watching -----------------------------------------------------------------------------------

WatchTablePtr Run::table() {
  auto base = program_->watches();
  if (own_watches_.empty()) return base;
  if (base != base_table_ || !merged_table_) {
    auto merged = std::make_shared<WatchTable>(*base);
    for (const auto& [site, subscription] : own_watches_) {
      merged->sites[site].push_back(subscription);
    }
    base_table_ = base;
    merged_table_ = std::move(merged);
  }
  return merged_table_;
}

const Run::Watching& Run::watching(const Function& function, const Segment& segment) {
  static const Watching kNobody{nullptr, {}, nullptr, {}};
  auto current = table();
  if (current->sites.empty()) return kNobody;
  auto& cached = watching_[segment.id];
  if (cached.table == current && cached.all_open()) return cached;

  Watching made{current, {}, nullptr, {}};
  auto watched = [&](int site) {
    auto it = current->sites.find(site);
    return it != current->sites.end() &&
           std::any_of(it->second.begin(), it->second.end(),
                       [](const auto& subscription) { return subscription->open(); });
  };
  for (int site : segment.sites) {
    if (watched(site)) made.sites.push_back(site);
  }
  made.sites.erase(std::unique(made.sites.begin(), made.sites.end()), made.sites.end());
  auto plan = std::make_shared<FiringPlan>();
  if (!made.sites.empty()) {
    auto& lane = *lane_;
    for (const auto& firing : lane.firing_order(program_, function, segment, made.sites)) {
      FiringPlan::Site site{firing.site, firing.types, {}};
      for (const auto& subscription : current->sites.at(firing.site)) {
        if (!subscription->open()) continue;
        site.subscriptions.push_back(subscription);
        if (subscription->policy() == Policy::latest) latest_.insert(subscription);
        if (subscription->policy() != Policy::every) continue;
        auto known = std::find_if(made.bytes.begin(), made.bytes.end(), [&](const auto& entry) {
          return entry.first == subscription->channel();
        });
        if (known == made.bytes.end())
          known = made.bytes.insert(known, {subscription->channel(), 0});
        known->second += subscription->cost(firing.types);
      }
      plan->sites.push_back(std::move(site));
    }
  }
  // All runs take channels in one order, so that none waits for what another holds.
  std::sort(made.bytes.begin(), made.bytes.end());
  made.plan = std::move(plan);
  cached = std::move(made);
  return cached;
}

bool Run::Watching::all_open() const {
  for (const auto& site : plan->sites) {
    for (const auto& subscription : site.subscriptions) {
      if (!subscription->open()) return false;
    }
  }
  return true;
}

int64_t Run::Watching::largest_share() const {
  int64_t passes = std::numeric_limits<int64_t>::max();
  for (const auto& [channel, needed] : bytes) {
    passes = std::min(passes, channel->budget() / std::max<int64_t>(1, needed));
  }
  return passes;
}

bool Run::reserve(const Watching& watched, int64_t passes) {
  for (size_t i = 0; i < watched.bytes.size(); ++i) {
    const auto& [channel, bytes] = watched.bytes[i];
    if (channel->reserve(bytes * passes, [run = shared_from_this()] { run->resume(); })) continue;
    for (size_t k = 0; k < i; ++k) {
      watched.bytes[k].first->release(watched.bytes[k].second * passes);
    }
    return false;
  }
  return true;
}

void Run::release(const Watching& watched, int64_t passes) {
  for (const auto& [channel, bytes] : watched.bytes) channel->release(bytes * passes);
}

void Run::expect(const Watching& watched, bool loops, int64_t first, int64_t passes) {
  if (watched.sites.empty() || watched.plan->sites.empty()) return;
  auto where = path();
  if (loops) where.push_back(first);
  lane_->cursor().expect(
      {id_, program_->id(), watched.plan, std::move(where), loops, passes, seq_, 0});
}

// --- control flow -------------------------------------------------------------------------------

Arrays Run::operands(const Frame& frame, const Node& node, size_t from, size_t to) const {
  Arrays arrays;
  arrays.reserve(to - from);
  for (size_t i = from; i < to; ++i) {
    arrays.push_back(*frame.values[static_cast<size_t>(node.inputs[i])]);
  }
  return arrays;
}

void Run::finish_node(Frame& frame, const Node& node, Arrays outputs) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    frame.values[static_cast<size_t>(node.first_output) + i] = std::move(outputs[i]);
  }
  release_operands(frame, node);
  ++frame.step;
}

bool Run::control(Frame& frame, const Node& node) {
  switch (node.kind) {
    case NodeKind::call:
      return call(frame, node);
    case NodeKind::cond:
    case NodeKind::switch_:
      branch(frame, node);
      return true;
    case NodeKind::while_:
      if (frame.loop || begin_counted_while(frame, node)) return counted(frame, node);
      begin_while(frame, node);
      return true;
    case NodeKind::repeat:
      return counted(frame, node);
    default:
      throw RunError("internal", "node " + std::to_string(node.site) + " is no control node",
                     node.site);
  }
}

void Run::branch(Frame& frame, const Node& node) {
  const auto& selector = *frame.values[static_cast<size_t>(node.inputs[0])];
  size_t chosen = 0;
  if (node.kind == NodeKind::cond) {
    chosen = truth(selector) ? 0 : 1;
  } else {
    auto last = static_cast<int64_t>(node.functions.size()) - 1;
    chosen = static_cast<size_t>(std::clamp<int64_t>(integer(selector), 0, last));
  }
  push(program_->function(node.functions[chosen]), operands(frame, node, 1, node.inputs.size()),
       std::nullopt,
       [this, &frame, &node](Arrays results) { finish_node(frame, node, std::move(results)); });
}

void Run::begin_while(Frame& frame, const Node& node) {
  size_t carries = node.outputs.size();
  auto loop = std::make_shared<Loop>();
  loop->node = &node;
  loop->body = &program_->iteration_of(node);
  loop->carries = operands(frame, node, 0, carries);
  loop->invariants = operands(frame, node, carries, node.inputs.size());
  push(program_->function(node.functions[0]), operands(frame, node, 0, node.inputs.size()),
       std::nullopt, [this, loop, &frame](Arrays results) {
         if (truth(results[0])) {
           iterate(loop, frame);
         } else {
           finish_node(frame, *loop->node, std::move(loop->carries));
         }
       });
}

void Run::iterate(const std::shared_ptr<Loop>& loop, Frame& parent) {
  Arrays arguments = std::move(loop->carries);
  arguments.insert(arguments.end(), loop->invariants.begin(), loop->invariants.end());
  push(*loop->body, std::move(arguments), loop->iteration, [this, loop, &parent](Arrays results) {
    bool more = truth(results.back());
    results.pop_back();
    loop->carries = std::move(results);
    ++loop->iteration;
    if (more) {
      iterate(loop, parent);
    } else {
      finish_node(parent, *loop->node, std::move(loop->carries));
    }
  });
}

// Begins a `while` whose number of iterations can be told now; false where it has to be driven:
// nothing is recognised, the counter would wrap around, or somebody watches the predicate.
bool Run::begin_counted_while(Frame& frame, const Node& node) {
  const Counter* counter = program_->counter_of(node);
  if (counter == nullptr) return false;
  auto watched = table();
  for (const Node& tested : program_->function(node.functions[0]).nodes) {
    if (watched->sites.contains(tested.site)) return false;
  }
  auto value = [&](size_t operand) {
    return integer(*frame.values[static_cast<size_t>(node.inputs[operand])]);
  };
  int64_t bound = counter->bound_operand ? value(*counter->bound_operand) : counter->bound;
  int bits = 8 * static_cast<int>(mx::size_of(node.outputs[counter->carry].dtype));
  auto trips = counter->trips(value(counter->carry), bound, bits);
  if (!trips) return false;
  begin_loop(frame, node, program_->function(node.functions[1]), *trips, 0);
  return true;
}

// Puts a counted loop into a frame. Its carries begin at operand `first`.
void Run::begin_loop(Frame& frame, const Node& node, const Function& body, int64_t trips,
                     size_t first) {
  auto loop = std::make_shared<Loop>();
  loop->node = &node;
  loop->body = &body;
  loop->trips = trips;
  size_t invariants = first + node.outputs.size();
  loop->carries = operands(frame, node, first, invariants);
  loop->invariants = operands(frame, node, invariants, node.inputs.size());
  release_operands(frame, node);
  frame.loop = std::move(loop);
}

// Gives up operands of the current node that are not used after it, so that MLX may reuse their
// memory.
void Run::release_operands(Frame& frame, const Node& node) {
  int index = std::get<int>(frame.function->steps[frame.step]);
  for (int input : node.inputs) {
    if (input >= 0 && frame.function->last_use[static_cast<size_t>(input)] <= index) {
      frame.values[static_cast<size_t>(input)].reset();
    }
  }
}

// A loop whose number of iterations is known: straight bodies are launched in batches, others pass
// by pass.
bool Run::counted(Frame& frame, const Node& node) {
  if (!frame.loop) {
    bool given = node.attributes.contains("count");
    int64_t trips = given ? integer_attribute(node, "count")
                          : integer(*frame.values[static_cast<size_t>(node.inputs[0])]);
    begin_loop(frame, node, program_->function(node.functions[0]), trips, given ? 0 : 1);
    frame.loop->indexed = true;
  }
  Loop& loop = *frame.loop;
  const auto& steps = loop.body->steps;
  bool straight = steps.empty() || loop.body->straight() != nullptr;
  while (loop.iteration < loop.trips) {
    cancel_.check();
    if (straight) {
      if (!pass_batch(loop, loop.body->straight())) return false;
      continue;
    }
    Arrays arguments;
    if (loop.indexed) arguments.push_back(mx::array(static_cast<int32_t>(loop.iteration)));
    for (auto& carry : loop.carries) arguments.push_back(std::move(carry));
    loop.carries.clear();
    arguments.insert(arguments.end(), loop.invariants.begin(), loop.invariants.end());
    push(*loop.body, std::move(arguments), loop.iteration, [state = frame.loop](Arrays results) {
      state->carries = std::move(results);
      ++state->iteration;
    });
    return true;
  }
  auto outputs = std::move(loop.carries);
  frame.loop.reset();
  finish_node(frame, node, std::move(outputs));
  return true;
}

// Launches some iterations of a straight body with one evaluation at their end.
bool Run::pass_batch(Loop& loop, const Segment* segment) {
  const Function& body = *loop.body;
  Lane& lane = *lane_;
  static const Segment kNothing{};
  const Watching& watched = watching(body, segment != nullptr ? *segment : kNothing);
  int64_t passes = std::min(
      {loop.batch, loop.trips - loop.iteration, std::max<int64_t>(1, watched.largest_share())});
  if (!reserve(watched, passes)) return false;

  auto begin = std::chrono::steady_clock::now();
  std::unordered_map<int, mx::array> constants;
  for (int index : body.bound) {
    const Node& node = body.nodes[static_cast<size_t>(index)];
    constants.emplace(node.first_output, node.bound->array());
  }
  Arrays carries = std::move(loop.carries);
  loop.carries.clear();
  try {
    auto token = first_token();
    std::vector<std::optional<mx::array>> values(static_cast<size_t>(body.value_count));
    for (int64_t pass = 0; pass < passes; ++pass) {
      size_t slot = 0;
      if (loop.indexed) {
        values[slot++] = mx::array(static_cast<int32_t>(loop.iteration + pass));
      }
      for (auto& carry : carries) values[slot++] = std::move(carry);
      for (const auto& invariant : loop.invariants) values[slot++] = invariant;
      for (const auto& [value, array] : constants) values[static_cast<size_t>(value)] = array;
      if (segment != nullptr) {
        Arrays inputs;
        inputs.reserve(segment->inputs.size() + 1);
        for (int value : segment->inputs) inputs.push_back(*values[static_cast<size_t>(value)]);
        if (!watched.sites.empty()) inputs.push_back(token);
        auto outputs = lane.compiled(program_, body, *segment, watched.sites)(inputs);
        for (size_t i = 0; i < segment->outputs.size(); ++i) {
          values[static_cast<size_t>(segment->outputs[i])] = std::move(outputs[i]);
        }
        if (!watched.sites.empty()) token = outputs.back();
      }
      carries.clear();
      for (int result : body.results) carries.push_back(*values[static_cast<size_t>(result)]);
      for (auto& value : values) value.reset();
    }
    if (!watched.sites.empty()) carries.push_back(token);
  } catch (...) {
    release(watched, passes);
    throw;
  }
  expect(watched, true, loop.iteration, passes);
  lane.evaluate(carries, cancel_);
  if (!watched.sites.empty()) carries.pop_back();
  loop.carries = std::move(carries);
  loop.iteration += passes;
  bool quick = std::chrono::steady_clock::now() - begin < kBatchTime;
  loop.batch =
      quick ? std::min(kLargestBatch, loop.batch * 2) : std::max<int64_t>(1, loop.batch / 2);
  return true;
}

// --- calls --------------------------------------------------------------------------------------

bool Run::call(Frame& frame, const Node& node) {
  std::optional<std::variant<Arrays, FailurePtr>> reply;
  {
    std::lock_guard lock(reply_mutex_);
    if (awaited_call_ == 0) {
      awaited_call_ = engine_.next_call();
      reply_.reset();
    } else if (!reply_) {
      return false;  // woken for another reason
    } else {
      reply = std::move(reply_);
      reply_.reset();
      awaited_call_ = 0;
    }
  }
  if (!reply) {
    std::vector<int64_t> ids;
    for (const auto& operand : operands(frame, node, 0, node.inputs.size())) {
      auto value = std::make_shared<Value>(type_of(operand));
      value->set(operand);
      ids.push_back(engine_.values().add(std::move(value)));
    }
    engine_.outbox().call(id_, program_->id(), node.site, seq_->fetch_add(1), awaited_call_, path(),
                          ids);
    return false;
  }
  if (auto* failure = std::get_if<FailurePtr>(&*reply)) {
    auto located = **failure;
    if (located.site < 0) located.site = node.site;
    throw RunError(std::make_shared<Failure>(located));
  }
  auto& values = std::get<Arrays>(*reply);
  if (values.size() != node.outputs.size()) {
    throw RunError("reply_mismatch",
                   "the reply has " + std::to_string(values.size()) +
                       " tensors; the call declares " + std::to_string(node.outputs.size()),
                   node.site);
  }
  for (size_t i = 0; i < values.size(); ++i) {
    if (type_of(values[i]) == node.outputs[i]) continue;
    throw RunError("reply_mismatch",
                   "tensor " + std::to_string(i) + " of the reply is " +
                       to_string(type_of(values[i])) + "; the call declares " +
                       to_string(node.outputs[i]),
                   node.site);
  }
  finish_node(frame, node, std::move(values));
  return true;
}

void Run::reply(int64_t call, Arrays values) {
  {
    std::lock_guard lock(reply_mutex_);
    if (call != awaited_call_ || reply_) return;
    reply_.emplace(std::move(values));
  }
  resume();
}

void Run::reply_error(int64_t call, FailurePtr failure) {
  {
    std::lock_guard lock(reply_mutex_);
    if (call != awaited_call_ || reply_) return;
    reply_.emplace(std::move(failure));
  }
  resume();
}

}  // namespace davit
