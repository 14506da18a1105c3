// Branches and loops of a run: what happens between its segments.
#include <algorithm>
#include <chrono>

#include "engine/engine.h"
#include "engine/run/run.h"

namespace davit {

namespace {

// The most iterations of a counted loop in one launch, and the time a launch aims at: short enough
// to see a cancel and to let hooks out, long enough to hide what a launch costs.
constexpr int64_t kLargestBatch = 256;
constexpr std::chrono::milliseconds kBatchTime{5};
// Iterations of a tight loop between looks at who watches it, and how many make up for preparing
// it.
constexpr int64_t kTightBatch = 1024;
constexpr int64_t kLeastTight = 8;

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
    case NodeKind::callback:
      return callback(frame, node);
    case NodeKind::cond:
    case NodeKind::switch_:
      branch(frame, node);
      return true;
    case NodeKind::while_:
      if (frame.loop || begin_counted_while(frame, node)) return counted(frame, node);
      begin_while(frame, node);
      return true;
    case NodeKind::for_:
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
  while (pass_tight(*loop, true)) {
    if (loop->tight->goes_on()) continue;
    finish_node(parent, *loop->node, std::move(loop->carries));
    return;
  }
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
    if (pass_tight(loop, false)) continue;
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

// Some iterations of a body that is fused kernels on small values, if this one is and nobody
// watches it. Returns whether it did them. `tested`: a result tells whether there is another one.
bool Run::pass_tight(Loop& loop, bool tested) {
  const Segment* segment = loop.body->straight();
  if (segment == nullptr) return false;
  if (!subscriptions(*loop.body, *segment).sites.empty()) {
    loop.tight.reset();
    loop.tight_tried = false;
    return false;
  }
  int64_t count = kTightBatch;
  if (!tested) {
    count = std::min(count, loop.trips - loop.iteration);
    if (!loop.tight && count < kLeastTight) return false;
  } else if (loop.iteration < kLeastTight) {
    return false;
  }
  if (!loop.tight_tried) {
    loop.tight_tried = true;
    auto schedule = lane_->schedule(program_, *loop.body, *segment, {});
    if (!schedule) return false;
    loop.tight = TightLoop::make(schedule, *loop.body, *segment,
                                 {loop.carries, loop.invariants, loop.indexed, tested});
  }
  if (!loop.tight) return false;
  loop.iteration += loop.tight->run(loop.iteration, count, cancel_);
  loop.carries = loop.tight->carries();
  return true;
}

// Launches some iterations of a straight body with one evaluation at their end.
bool Run::pass_batch(Loop& loop, const Segment* segment) {
  const Function& body = *loop.body;
  Lane& lane = *lane_;
  static const Segment kNothing{};
  const SegmentSubscriptions& watched =
      subscriptions(body, segment != nullptr ? *segment : kNothing);
  int64_t passes = std::min(
      {loop.batch, loop.trips - loop.iteration, std::max<int64_t>(1, watched.largest_share())});
  // Before credit is taken: one that failed ends the run.
  std::unordered_map<int, mx::array> constants;
  for (int index : body.bound) {
    const Node& node = body.nodes[static_cast<size_t>(index)];
    constants.emplace(node.first_output, node.bound->array());
  }
  if (!reserve(watched, passes)) return false;

  auto begin = std::chrono::steady_clock::now();
  Arrays carries = std::move(loop.carries);
  loop.carries.clear();
  expect(watched, true, loop.iteration, passes);
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
        for (int value : segment->inputs) {
          auto& operand = values[static_cast<size_t>(value)];
          inputs.push_back(*operand);
          if (body.last_use[static_cast<size_t>(value)] < segment->last) operand.reset();
        }
        if (!watched.sites.empty()) inputs.push_back(token);
        auto outputs =
            lane.launch(program_, body, *segment, watched.sites, std::move(inputs), cancel_);
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
    lane.evaluate(carries, cancel_);
  } catch (...) {
    lane.cursor().abandon();
    throw;
  }
  if (!watched.sites.empty()) carries.pop_back();
  loop.carries = std::move(carries);
  loop.iteration += passes;
  bool quick = std::chrono::steady_clock::now() - begin < kBatchTime;
  loop.batch =
      quick ? std::min(kLargestBatch, loop.batch * 2) : std::max<int64_t>(1, loop.batch / 2);
  return true;
}

}  // namespace davit
