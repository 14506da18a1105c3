#include "engine/program/passes.h"

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <utility>

namespace davit {

namespace {

// The quantity that the work of an op grows with.
Work work_of(std::string_view op) {
  auto row =
      std::lower_bound(std::begin(kWork), std::end(kWork), op,
                       [](const WorkRow& row, std::string_view name) { return row.op < name; });
  return row != std::end(kWork) && row->op == op ? row->work : Work::elementwise;
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

}  // namespace

int64_t integer_attribute(const Node& node, std::string_view name) {
  std::vector<std::optional<mx::array>> none;
  return OpCall(none, node.attributes, mx::Stream(0, mx::Device::cpu)).long_integer(name);
}

void classify(Node& node) {
  auto sub_functions = [&](std::initializer_list<std::string_view> names) {
    for (auto name : names) {
      for (int index : function_attribute(node, name)) node.functions.push_back(index);
    }
  };
  if (node.op == "constant") {
    node.kind = node.bound ? NodeKind::bound_constant : NodeKind::constant;
  } else if (node.op == "custom_call.hook" || node.op == "custom_call.print") {
    node.kind = NodeKind::hook;
  } else if (node.op == "custom_call.hook_gradient") {
    node.kind = NodeKind::gradient_hook;
  } else if (node.op == "custom_call.callback") {
    node.kind = NodeKind::callback;
  } else if (node.op == "vjp" || node.op == "jvp") {
    node.kind = node.op == "vjp" ? NodeKind::vjp : NodeKind::jvp;
    sub_functions({"function"});
  } else if (node.op == "call") {
    node.kind = NodeKind::call;
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
    node.kind = NodeKind::for_;
    sub_functions({"body"});
  } else {
    node.lowering = op_table().find(node.op);
    if (node.lowering == nullptr) throw OpError("op_unknown", "unknown op \"" + node.op + "\"");
    node.work = work_of(node.op);
  }
}

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

void inline_calls(Function& caller, const std::vector<Function>& functions) {
  auto is_call = [](const Node& node) { return node.kind == NodeKind::call; };
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

void put_hooks_behind(Function& function) {
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

}  // namespace davit
