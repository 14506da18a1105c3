#include "engine/program/program.h"

#include <algorithm>

#include "engine/program/passes.h"

namespace davit {

namespace {

// The most nodes and elements of a small program: a node costs about a microsecond, 4,096 elements
// as much again.
constexpr size_t kSmallNodes = 16;
constexpr size_t kSmallElements = 4096;

// The longest time of a brief run. Handing a run to a lane and taking its end takes twice as long,
// but lanes compute side by side, and the JavaScript thread does not.
constexpr std::chrono::microseconds kBrief{50};

// Tells whether a node's work follows from the sizes of what it takes and returns.
bool is_elementary(const Node& node) {
  if (node.kind != NodeKind::op) {
    return node.kind == NodeKind::constant || node.kind == NodeKind::bound_constant ||
           node.kind == NodeKind::hook || node.is_control();
  }
  return node.work == Work::elementwise || node.work == Work::reduction ||
         node.work == Work::matmul;
}

bool is_small_function(const Function& function) {
  if (function.nodes.size() > kSmallNodes) return false;
  size_t elements = 0;
  auto add = [&](const TensorType& type) { elements += byte_size(type) / mx::size_of(type.dtype); };
  for (const auto& parameter : function.parameters) add(parameter);
  for (const Node& node : function.nodes) {
    if (!is_elementary(node)) return false;
    for (const auto& output : node.outputs) add(output);
  }
  return elements <= kSmallElements;
}

// A loop lets go of its thread in every pass only if every pass makes a callback.
bool yields(const Node& loop, const std::vector<Function>& functions) {
  if (loop.kind != NodeKind::while_ && loop.kind != NodeKind::for_) return true;
  const auto& body = functions[static_cast<size_t>(loop.functions.back())].nodes;
  return std::any_of(body.begin(), body.end(),
                     [](const Node& node) { return node.kind == NodeKind::callback; });
}

bool is_small_program(const std::vector<Function>& functions) {
  if (functions.size() > kSmallNodes) return false;
  return std::all_of(functions.begin(), functions.end(), [&](const Function& function) {
    return is_small_function(function) &&
           std::all_of(function.nodes.begin(), function.nodes.end(),
                       [&](const Node& node) { return yields(node, functions); });
  });
}

}  // namespace

Program::Program(int64_t id, std::vector<Function> functions)
    : id_(id), functions_(std::move(functions)) {
  int site = 0;
  for (Function& function : functions_) {
    for (Node& node : function.nodes) {
      node.site = site++;
      classify(node);
    }
  }
  for (auto function = functions_.rbegin(); function != functions_.rend(); ++function) {
    put_hooks_behind(*function);
    inline_calls(*function, functions_);
    for (Node& node : function->nodes) {
      if (node.kind == NodeKind::vjp || node.kind == NodeKind::jvp) check_straight(node);
    }
    function->prepare();
  }
  small_ = is_small_program(functions_);
  for (const Function& function : functions_) {
    for (int index : function.bound) {
      bound_values_.push_back(function.nodes[static_cast<size_t>(index)].bound);
    }
    for (const Node& node : function.nodes) {
      if (node.kind != NodeKind::while_) continue;
      iterations_.emplace(node.site, join(node));
      if (auto counter = recognize(node)) counters_.emplace(node.site, *counter);
    }
  }
}

void Program::release_bound_values() {
  auto release = [](Function& function) {
    for (int index : function.bound) function.nodes[static_cast<size_t>(index)].bound.reset();
  };
  for (Function& function : functions_) release(function);
  for (auto& [_, iteration] : iterations_) release(iteration);
  bound_values_.clear();
}

void Program::check_straight(Node& node) {
  for (const Node& inner : function(node.functions[0]).nodes) {
    if (inner.is_control() || inner.kind == NodeKind::bound_constant) {
      throw OpError("derivative_unsupported",
                    node.op + " of a function with " + inner.op +
                        (inner.is_control() ? "" : " named by a hash, which has to be an operand"));
    }
    node.inner_sites.push_back(inner.site);
    node.inner_sites.insert(node.inner_sites.end(), inner.inner_sites.begin(),
                            inner.inner_sites.end());
  }
}

Function Program::join(const Node& loop) const {
  const Function& predicate = function(loop.functions[0]);
  const Function& body = function(loop.functions[1]);
  size_t carries = loop.outputs.size();

  Function joined;
  joined.parameters = body.parameters;
  int next = static_cast<int>(body.parameters.size());
  std::vector<int> body_values;
  for (int i = 0; i < next; ++i) body_values.push_back(i);
  append_nodes(joined, next, body, body_values);
  for (int result : body.results) {
    joined.results.push_back(body_values[static_cast<size_t>(result)]);
  }
  std::vector<int> predicate_values = joined.results;  // the new carries, then the invariants
  for (size_t i = carries; i < body.parameters.size(); ++i) {
    predicate_values.push_back(static_cast<int>(i));
  }
  append_nodes(joined, next, predicate, predicate_values);
  joined.results.push_back(predicate_values[static_cast<size_t>(predicate.results.front())]);
  joined.prepare();
  return joined;
}

const Counter* Program::counter_of(const Node& loop) const {
  auto it = counters_.find(loop.site);
  return it == counters_.end() ? nullptr : &it->second;
}

const Function& Program::iteration_of(const Node& loop) const { return iterations_.at(loop.site); }

void Program::check_input_count(size_t given) const {
  size_t expected = entry().parameters.size();
  if (given == expected) return;
  throw OpError("input_count_invalid", "the program takes " + std::to_string(expected) +
                                           " inputs, not " + std::to_string(given));
}

void Program::took(std::chrono::nanoseconds time) {
  if (entry().straight()) brief_.store(time <= kBrief, std::memory_order_relaxed);
}

SubscriptionTablePtr Program::subscriptions() const {
  std::lock_guard lock(mutex_);
  return subscriptions_;
}

void Program::subscribe(const SubscriptionPtr& subscription, const std::vector<int64_t>& sites) {
  std::lock_guard lock(mutex_);
  auto changed = std::make_shared<SubscriptionTable>(*subscriptions_);
  for (auto it = changed->sites.begin(); it != changed->sites.end();) {
    std::erase(it->second, subscription);
    it = it->second.empty() ? changed->sites.erase(it) : std::next(it);
  }
  for (int64_t site : sites) changed->sites[static_cast<int>(site)].push_back(subscription);
  subscriptions_ = std::move(changed);
}

}  // namespace davit
