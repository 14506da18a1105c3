// Finds the `while` loops whose number of iterations can be told when they begin.
#include <cstring>

#include "engine/program/program.h"

namespace davit {

namespace {

// The node that makes a value, or null where it is a parameter.
const Node* maker(const Function& function, int value) {
  for (const Node& node : function.nodes) {
    int offset = value - node.first_output;
    if (offset >= 0 && offset < static_cast<int>(node.outputs.size())) return &node;
  }
  return nullptr;
}

// The value of a scalar integer constant.
std::optional<int64_t> integer_constant(const Function& function, int value) {
  const Node* node = value < 0 ? nullptr : maker(function, value);
  if (node == nullptr || node->kind != NodeKind::constant) return std::nullopt;
  auto it = node->attributes.find("data");
  if (it == node->attributes.end()) return std::nullopt;
  const auto& data = std::get<std::vector<uint8_t>>(it->second);
  const auto& type = node->outputs[0];
  if (data.size() != mx::size_of(type.dtype) || !mx::issubdtype(type.dtype, mx::signedinteger)) {
    return std::nullopt;
  }
  uint64_t raw = 0;
  std::memcpy(&raw, data.data(), data.size());
  auto unused = static_cast<int>(64 - 8 * data.size());
  return static_cast<int64_t>(raw << unused) >> unused;
}

}  // namespace

std::optional<int64_t> Counter::trips(int64_t initial, int64_t bound_value, int bits) const {
  __extension__ using Wide = __int128;
  Wide distance = step > 0 ? Wide{bound_value} - initial : Wide{initial} - bound_value;
  if (inclusive) ++distance;
  if (distance <= 0) return 0;
  Wide stride = step > 0 ? Wide{step} : -Wide{step};
  Wide count = (distance + stride - 1) / stride;
  Wide last = initial + count * step;
  Wide most = (Wide{1} << (bits - 1)) - 1;
  if (last > most || last < -most - 1 || count > INT64_MAX) return std::nullopt;
  return static_cast<int64_t>(count);
}

std::optional<Counter> Program::recognize(const Node& loop) const {
  const Function& predicate = function(loop.functions[0]);
  const Function& body = function(loop.functions[1]);
  const Node* test = maker(predicate, predicate.results.front());
  if (test == nullptr || test->inputs.size() != 2) return std::nullopt;
  // The predicate is not computed where its outcome is known, so it must do nothing else.
  for (const Node& node : predicate.nodes) {
    if (node.kind != NodeKind::op && node.kind != NodeKind::constant) return std::nullopt;
  }

  bool upwards = test->op == "less" || test->op == "less_equal";
  bool downwards = test->op == "greater" || test->op == "greater_equal";
  if (!upwards && !downwards) return std::nullopt;
  Counter counter;
  counter.inclusive = test->op == "less_equal" || test->op == "greater_equal";

  int carries = static_cast<int>(loop.outputs.size());
  int operands = static_cast<int>(predicate.parameters.size());
  int carry = test->inputs[0];
  if (carry < 0 || carry >= carries) return std::nullopt;
  counter.carry = static_cast<size_t>(carry);
  const TensorType& type = loop.outputs[counter.carry];
  if (!type.shape.empty() || !mx::issubdtype(type.dtype, mx::signedinteger)) return std::nullopt;

  int bound = test->inputs[1];
  if (bound >= carries && bound < operands) {
    if (!(predicate.parameters[static_cast<size_t>(bound)] == type)) return std::nullopt;
    counter.bound_operand = static_cast<size_t>(bound);
  } else if (auto value = integer_constant(predicate, bound);
             value && predicate.type_of_value(bound) == type) {
    counter.bound = *value;
  } else {
    return std::nullopt;
  }

  const Node* next = maker(body, body.results[counter.carry]);
  if (next == nullptr || next->op != "add" || next->inputs.size() != 2) return std::nullopt;
  int other = next->inputs[0] == carry ? next->inputs[1] : next->inputs[0];
  if (next->inputs[0] != carry && next->inputs[1] != carry) return std::nullopt;
  auto step = integer_constant(body, other);
  if (!step || (upwards ? *step <= 0 : *step >= 0)) return std::nullopt;
  counter.step = *step;
  return counter;
}

}  // namespace davit
