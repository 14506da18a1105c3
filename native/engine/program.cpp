#include "engine/program.h"

#include <algorithm>
#include <atomic>
#include <set>

namespace davit {

namespace {

std::atomic<int64_t> next_segment{1};

std::vector<int> function_attribute(const Node& node, std::string_view name) {
  auto it = node.attributes.find(name);
  if (it == node.attributes.end()) {
    throw OpError("attribute_missing",
                  node.op + " has no attribute \"" + std::string(name) + "\"");
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
    node.kind = text_attribute(node, "target") == "call" ? NodeKind::call : NodeKind::hook;
  } else if (node.op == "cond") {
    node.kind = NodeKind::cond;
    sub_functions({"then", "else"});
  } else if (node.op == "switch") {
    node.kind = NodeKind::switch_;
    sub_functions({"branches"});
  } else if (node.op == "while") {
    node.kind = NodeKind::while_;
    sub_functions({"predicate", "body"});
  } else if (node.op == "repeat") {
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

}  // namespace

const TensorType& Function::type_of_value(int value) const {
  if (static_cast<size_t>(value) < parameters.size()) return parameters[static_cast<size_t>(value)];
  auto after = std::upper_bound(nodes.begin(), nodes.end(), value, [](int v, const Node& node) {
    return v < node.first_output;
  });
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
    function.prepare();
  }
  for (const Function& function : functions_) {
    for (const Node& node : function.nodes) {
      if (node.kind == NodeKind::while_) iterations_.emplace(node.site, join(node));
    }
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

const Function& Program::iteration_of(const Node& loop) const {
  return iterations_.at(loop.site);
}

WatchTablePtr Program::watches() const {
  std::lock_guard lock(mutex_);
  return watches_;
}

void Program::watch(int site, std::vector<SubscriptionPtr> subscriptions) {
  std::lock_guard lock(mutex_);
  auto changed = std::make_shared<WatchTable>(*watches_);
  if (subscriptions.empty()) {
    changed->sites.erase(site);
  } else {
    changed->sites[site] = std::move(subscriptions);
  }
  watches_ = std::move(changed);
}

}  // namespace davit
