#include "engine/program.h"

#include <algorithm>
#include <atomic>
#include <set>

namespace davit {

namespace {

std::atomic<int64_t> next_segment{1};

// What a small program has at most: a node costs about a microsecond, 4,096 elements as much again.
constexpr size_t kSmallNodes = 16;
constexpr size_t kSmallElements = 4096;

// Nodes whose work follows from the size of what they give.
bool is_elementary(const Node& node) {
  if (node.kind != NodeKind::op) {
    return node.kind == NodeKind::constant || node.kind == NodeKind::bound_constant ||
           node.kind == NodeKind::hook || node.is_control();
  }
  for (std::string_view part : {"linalg", "conv", "fft", "einsum", "tensordot", "quantize"}) {
    if (node.op.find(part) != std::string::npos) return false;
  }
  return true;
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

// A loop gives its thread back in every pass only if every pass makes a call.
bool yields(const Node& loop, const std::vector<Function>& functions) {
  if (loop.kind != NodeKind::while_ && loop.kind != NodeKind::repeat) return true;
  const auto& body = functions[static_cast<size_t>(loop.functions.back())].nodes;
  return std::any_of(body.begin(), body.end(),
                     [](const Node& node) { return node.kind == NodeKind::call; });
}

bool is_small_program(const std::vector<Function>& functions) {
  if (functions.size() > kSmallNodes) return false;
  return std::all_of(functions.begin(), functions.end(), [&](const Function& function) {
    return is_small_function(function) &&
           std::all_of(function.nodes.begin(), function.nodes.end(),
                       [&](const Node& node) { return yields(node, functions); });
  });
}

std::vector<int> function_attribute(const Node& node, std::string_view name) {
  auto it = node.attributes.find(name);
  if (it == node.attributes.end()) {
    throw OpError("attribute_missing", node.op + " has no attribute \"" + std::string(name) + "\"");
  }
  if (auto* index = std::get_if<double>(&it->second)) return {static_cast<int>(*index)};
  if (auto* list = std::get_if<std::vector<double>>(&it->second)) {
    return std::vector<int>(list->begin(), list->end());
  }
  throw OpError("attribute_invalid", node.op + ": \"" + std::string(name) + "\" is no function");
}

std::string text_attribute(const Node& node, std::string_view name) {
  auto it = node.attributes.find(name);
  auto* text = it == node.attributes.end() ? nullptr : std::get_if<std::string>(&it->second);
  return text == nullptr ? "" : *text;
}

// Fills in what follows from the op's name.
void classify(Node& node) {
  auto sub_functions = [&](std::initializer_list<std::string_view> names) {
    for (auto name : names) {
      for (int index : function_attribute(node, name)) node.functions.push_back(index);
    }
  };
  if (node.op == "constant") {
    node.kind = node.bound ? NodeKind::bound_constant : NodeKind::constant;
  } else if (node.op == "custom_call") {
    auto target = text_attribute(node, "target");
    node.kind = target == "call"            ? NodeKind::call
                : target == "hook_gradient" ? NodeKind::gradient_hook
                                            : NodeKind::hook;
  } else if (node.op == "vjp" || node.op == "jvp") {
    node.kind = node.op == "vjp" ? NodeKind::vjp : NodeKind::jvp;
    sub_functions({"function"});
  } else if (node.op == "call") {
    node.kind = NodeKind::function;
    sub_functions({"function"});
  } else if (node.op == "cond") {
    node.kind = NodeKind::cond;
    sub_functions({"then", "else"});
  } else if (node.op == "switch") {
    node.kind = NodeKind::switch_;
    sub_functions({"branches"});
  } else if (node.op == "while") {
    node.kind = NodeKind::while_;
    sub_functions({"predicate", "body"});
  } else if (node.op == "for") {
    node.kind = NodeKind::repeat;
    sub_functions({"body"});
  } else {
    node.lowering = op_table().find(node.op);
    if (node.lowering == nullptr) throw OpError("op_unknown", "unknown op \"" + node.op + "\"");
  }
}

// Copies nodes of one function into another; `values` maps its value numbers and grows.
void append_nodes(Function& target, int& next_value, const Function& source,
                  std::vector<int>& values) {
  for (const Node& node : source.nodes) {
    Node copy = node;
    for (int& input : copy.inputs) {
      if (input >= 0) input = values[static_cast<size_t>(input)];
    }
    copy.first_output = next_value;
    for (size_t i = 0; i < node.outputs.size(); ++i) values.push_back(next_value++);
    target.nodes.push_back(std::move(copy));
  }
}

// Puts the nodes of called functions in the place of the calls. Functions refer only to later ones,
// so `functions` after this one are already free of calls. What is copied keeps its sites.
void inline_calls(Function& caller, const std::vector<Function>& functions) {
  auto is_call = [](const Node& node) { return node.kind == NodeKind::function; };
  if (std::none_of(caller.nodes.begin(), caller.nodes.end(), is_call)) return;
  Function flat;
  flat.parameters = caller.parameters;
  int next = static_cast<int>(caller.parameters.size());
  std::vector<int> values;  // of the caller
  for (int i = 0; i < next; ++i) values.push_back(i);
  auto mapped = [&](int value) { return value < 0 ? value : values[static_cast<size_t>(value)]; };
  for (const Node& node : caller.nodes) {
    if (is_call(node)) {
      const Function& callee = functions[static_cast<size_t>(node.functions[0])];
      std::vector<int> inner;
      for (int input : node.inputs) inner.push_back(mapped(input));
      append_nodes(flat, next, callee, inner);
      for (int result : callee.results) values.push_back(inner[static_cast<size_t>(result)]);
      continue;
    }
    Node copy = node;
    for (int& input : copy.inputs) input = mapped(input);
    copy.first_output = next;
    for (size_t i = 0; i < node.outputs.size(); ++i) values.push_back(next++);
    flat.nodes.push_back(std::move(copy));
  }
  for (int result : caller.results) flat.results.push_back(mapped(result));
  caller = std::move(flat);
}

// Control nodes, calls and bound constants are no part of a segment, so what watches them is put
// behind them: an identity with their site. Watched by nobody it costs nothing.
void put_watches_behind(Function& function) {
  auto needs = [](const Node& node) {
    return node.watchable && !node.outputs.empty() &&
           (node.is_control() || node.kind == NodeKind::bound_constant);
  };
  if (std::none_of(function.nodes.begin(), function.nodes.end(), needs)) return;
  std::vector<int> values;
  int next = static_cast<int>(function.parameters.size());
  for (int i = 0; i < next; ++i) values.push_back(i);
  std::vector<Node> nodes;
  for (Node& node : function.nodes) {
    bool watched = needs(node);
    for (int& input : node.inputs) {
      if (input >= 0) input = values[static_cast<size_t>(input)];
    }
    int first = next;
    next += static_cast<int>(node.outputs.size());
    Node behind;
    if (watched) {
      behind.kind = NodeKind::hook;
      behind.op = node.op;
      behind.outputs = node.outputs;
      behind.site = node.site;
      for (int value = first; value < next; ++value) behind.inputs.push_back(value);
      first = next;
      next += static_cast<int>(node.outputs.size());
    }
    for (int value = first; value < next; ++value) values.push_back(value);
    nodes.push_back(std::move(node));
    if (watched) nodes.push_back(std::move(behind));
  }
  for (int& result : function.results) result = values[static_cast<size_t>(result)];
  function.nodes = std::move(nodes);
}

}  // namespace

int64_t integer_attribute(const Node& node, std::string_view name) {
  std::vector<std::optional<mx::array>> none;
  return OpCall(none, node.attributes, mx::Stream(0, mx::Device::cpu)).long_integer(name);
}

const TensorType& Function::type_of_value(int value) const {
  if (static_cast<size_t>(value) < parameters.size()) return parameters[static_cast<size_t>(value)];
  auto after = std::upper_bound(nodes.begin(), nodes.end(), value,
                                [](int v, const Node& node) { return v < node.first_output; });
  const Node& node = *std::prev(after);
  return node.outputs[static_cast<size_t>(value - node.first_output)];
}

void Function::prepare() {
  int next = static_cast<int>(parameters.size());
  for (Node& node : nodes) {
    node.first_output = next;
    next += static_cast<int>(node.outputs.size());
  }
  value_count = next;
  bound.clear();
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].kind == NodeKind::bound_constant) bound.push_back(static_cast<int>(i));
  }

  last_use.assign(static_cast<size_t>(value_count), -1);
  for (int i = 0; i < static_cast<int>(nodes.size()); ++i) {
    for (int input : nodes[static_cast<size_t>(i)].inputs) {
      if (input >= 0) last_use[static_cast<size_t>(input)] = i;
    }
  }
  for (int result : results) last_use[static_cast<size_t>(result)] = kResult;

  steps.clear();
  int first = 0;
  int count = static_cast<int>(nodes.size());
  for (int i = 0; i <= count; ++i) {
    bool cut = i == count || nodes[static_cast<size_t>(i)].is_control();
    if (!cut) continue;
    bool all_bound = std::all_of(nodes.begin() + first, nodes.begin() + i, [](const Node& node) {
      return node.kind == NodeKind::bound_constant;
    });
    if (!all_bound) steps.emplace_back(segment(first, i));
    if (i < count) steps.emplace_back(i);
    first = i + 1;
  }
}

Segment Function::segment(int first, int last) const {
  Segment made;
  made.id = next_segment.fetch_add(1);
  made.first = first;
  made.last = last;
  std::set<int> own;
  std::set<int> inputs;
  for (int i = first; i < last; ++i) {
    const Node& node = nodes[static_cast<size_t>(i)];
    // A bound constant is a hidden input of every segment that uses it.
    if (node.kind == NodeKind::bound_constant) continue;
    made.sites.push_back(node.site);
    made.sites.insert(made.sites.end(), node.inner_sites.begin(), node.inner_sites.end());
    for (int input : node.inputs) {
      if (input >= 0 && !own.contains(input)) inputs.insert(input);
    }
    for (size_t k = 0; k < node.outputs.size(); ++k) {
      int value = node.first_output + static_cast<int>(k);
      own.insert(value);
      if (last_use[static_cast<size_t>(value)] >= last) made.outputs.push_back(value);
    }
  }
  made.inputs.assign(inputs.begin(), inputs.end());
  std::sort(made.sites.begin(), made.sites.end());
  return made;
}

const Segment* Function::straight() const {
  return steps.size() == 1 ? std::get_if<Segment>(&steps.front()) : nullptr;
}

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
    put_watches_behind(*function);
    inline_calls(*function, functions_);
    for (Node& node : function->nodes) {
      if (node.kind == NodeKind::vjp || node.kind == NodeKind::jvp) check_straight(node);
    }
    function->prepare();
  }
  small_ = is_small_program(functions_);
  for (const Function& function : functions_) {
    for (const Node& node : function.nodes) {
      if (node.kind != NodeKind::while_) continue;
      iterations_.emplace(node.site, join(node));
      if (auto counter = recognize(node)) counters_.emplace(node.site, *counter);
    }
  }
}

void Program::check_straight(Node& node) {
  for (const Node& inner : function(node.functions[0]).nodes) {
    if (inner.is_control() || inner.kind == NodeKind::bound_constant) {
      throw OpError("not_differentiable",
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

std::vector<ValuePtr> Program::bound_values() const {
  std::vector<ValuePtr> values;
  for (const Function& function : functions_) {
    for (int index : function.bound) {
      values.push_back(function.nodes[static_cast<size_t>(index)].bound);
    }
  }
  return values;
}

WatchTablePtr Program::watches() const {
  std::lock_guard lock(mutex_);
  return watches_;
}

void Program::watch(const SubscriptionPtr& subscription, const std::vector<int64_t>& sites) {
  std::lock_guard lock(mutex_);
  auto changed = std::make_shared<WatchTable>(*watches_);
  for (auto it = changed->sites.begin(); it != changed->sites.end();) {
    std::erase(it->second, subscription);
    it = it->second.empty() ? changed->sites.erase(it) : std::next(it);
  }
  for (int64_t site : sites) changed->sites[static_cast<int>(site)].push_back(subscription);
  watches_ = std::move(changed);
}

}  // namespace davit
