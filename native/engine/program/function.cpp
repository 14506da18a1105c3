// Cuts a function into segments and control nodes.
#include <algorithm>
#include <atomic>
#include <set>

#include "engine/program/program.h"

namespace davit {

namespace {

std::atomic<int64_t> next_segment{1};

}  // namespace

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

}  // namespace davit
