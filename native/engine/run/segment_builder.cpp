// Builds the MLX graph of a segment; runs once per variant, while it is traced.
#include <mlx/primitives.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <string_view>

#include "engine/run/derivative_trace.h"
#include "engine/run/lane.h"
#include "ops/guards.h"

namespace davit {

namespace {

// A checkpoint comes after this many nodes or this much work, whichever is first.
constexpr int kCheckpointNodes = 32;
constexpr double kCheckpointWork = 5e8;

double elements(const TensorType& type) {
  double count = 1;
  for (auto size : type.shape) count *= size;
  return count;
}

// A rough count of multiplications, to place checkpoints by.
double work(const Node& node, const Function& function) {
  double outputs = 0;
  for (const auto& type : node.outputs) outputs += elements(type);
  if (node.inputs.empty() || node.inputs[0] < 0) return outputs;
  const auto& first = function.type_of_value(node.inputs[0]);
  switch (node.work) {
    case Work::factorization:
      return std::pow(elements(first), 1.5);
    case Work::convolution:
      return outputs * elements(function.type_of_value(node.inputs[1])) /
             std::max(1.0, node.outputs[0].shape.empty() ? 1.0 : node.outputs[0].shape.back());
    case Work::matmul:
    case Work::contraction:
      return outputs * (first.shape.empty() ? 1 : first.shape.back());
    case Work::reduction:
      return std::max(outputs, elements(first));
    case Work::elementwise:
    case Work::transform:
      return outputs;
  }
  return outputs;
}

mx::array constant(const Node& node) {
  auto array = allocate_array(node.outputs[0]);
  auto it = node.attributes.find("data");
  if (it == node.attributes.end()) throw OpError("constant_missing", "a constant has no data");
  const auto& data = std::get<std::vector<uint8_t>>(it->second);
  if (data.size() != array.nbytes()) {
    throw OpError("constant_invalid", "a constant " + to_string(node.outputs[0]) + " has " +
                                          std::to_string(data.size()) + " bytes");
  }
  if (!data.empty()) std::memcpy(array.data<uint8_t>(), data.data(), data.size());
  normalize_bools(array);
  return array;
}

// Notes which node the primitives between its operands and its outputs are for. Those of a function
// that is differentiated are noted already.
void note_site(const Arrays& outputs, const std::vector<std::optional<mx::array>>& operands,
               int site, PrimitiveSites& sites) {
  std::set<std::uintptr_t> seen;
  for (const auto& operand : operands) {
    if (operand) seen.insert(operand->id());
  }
  Arrays left = outputs;
  while (!left.empty()) {
    auto array = std::move(left.back());
    left.pop_back();
    if (!array.has_primitive() || !seen.insert(array.id()).second) continue;
    if (!sites.emplace(array.primitive_ptr().get(), site).second) continue;
    left.insert(left.end(), array.inputs().begin(), array.inputs().end());
  }
}

// Lowers one straight node on given operands; a constant has none.
Arrays lower(const Node& node, const std::vector<std::optional<mx::array>>& operands,
             mx::Stream stream, bool differentiated) {
  switch (node.kind) {
    case NodeKind::constant:
      return {constant(node)};
    case NodeKind::hook:
    case NodeKind::gradient_hook: {
      Arrays same;
      for (const auto& operand : operands) same.push_back(*operand);
      return same;
    }
    default: {
      auto outputs = (*node.lowering)(OpCall(operands, node.attributes, stream, differentiated));
      // An empty value depends on nothing, and some of MLX's derivatives cannot be built of it.
      for (auto& output : outputs) {
        if (differentiated) output = unless_empty(output, stream);
      }
      return outputs;
    }
  }
}

// Nodes that use the outputs rely on their types, and MLX is wrong at times.
void check_shapes(const Node& node, const Arrays& derivatives, const Arrays& values) {
  for (size_t i = 0; i < derivatives.size(); ++i) {
    if (derivatives[i].shape() == values[i].shape()) continue;
    throw OpError("mlx_failed", "MLX's " + node.op + " of " + to_string(type_of(values[i])) +
                                    " is " + to_string(type_of(derivatives[i])));
  }
}

}  // namespace

Arrays Lane::build(Build& state, const Function& function, const Segment& segment,
                   const Arrays& inputs) {
  std::unordered_map<int, mx::array> values;
  for (size_t i = 0; i < segment.inputs.size(); ++i) values.emplace(segment.inputs[i], inputs[i]);
  if (!state.sites.empty()) state.token = inputs.back();
  build_nodes(state, function, segment.first, segment.last, values);
  Arrays results;
  for (int output : segment.outputs) results.push_back(values.at(output));
  if (state.token) results.push_back(*state.token);
  return results;
}

void Lane::build_nodes(Build& state, const Function& function, int first, int last,
                       std::unordered_map<int, mx::array>& values) {
  for (int i = first; i < last; ++i) {
    const Node& node = function.nodes[static_cast<size_t>(i)];
    if (node.kind == NodeKind::bound_constant) continue;
    std::vector<std::optional<mx::array>> operands;
    for (int input : node.inputs) {
      if (input < 0) {
        operands.emplace_back();
      } else {
        operands.emplace_back(values.at(input));
      }
    }
    ++state.nodes_since;
    state.work_since += work(node, function);
    // A schedule tests for a cancel before every operation; a GPU's segments are fused.
    bool checkpoints = state.checkpoints && device_ == mx::Device::cpu && !inline_streams_;
    bool due = state.nodes_since > kCheckpointNodes || state.work_since > kCheckpointWork;
    if (checkpoints && due && !operands.empty() && operands[0]) {
      operands[0] = checkpoint(*operands[0], gate_);
      state.nodes_since = 0;
      state.work_since = 0;
    }
    Arrays outputs;
    try {
      outputs = build_node(state, node, operands);
    } catch (...) {
      auto failure = *current_failure();
      if (failure.site < 0) failure.site = node.site;
      throw RunError(std::make_shared<Failure>(failure));
    }
    note_site(outputs, operands, node.site, state.trace.sites);
    bool watched = std::binary_search(state.sites.begin(), state.sites.end(), node.site);
    if (watched && node.kind != NodeKind::gradient_hook) {
      bool used = false;
      for (size_t k = 0; k < outputs.size(); ++k) {
        used = used || function.last_use[static_cast<size_t>(node.first_output) + k] >= 0;
      }
      outputs = hooked(state, node.site, std::move(outputs), used);
    }
    for (size_t k = 0; k < outputs.size(); ++k) {
      values.insert_or_assign(node.first_output + static_cast<int>(k), outputs[k]);
    }
  }
}

Arrays Lane::hooked(Build& state, int site, Arrays values, bool used) {
  EventSite event{site, {}};
  for (const auto& value : values) event.types.push_back(type_of(value));
  state.trace.order.push_back(std::move(event));
  auto hooked = hook(values, *state.token, site, cursor_, used);
  state.token = std::move(hooked.token);
  return std::move(hooked.values);
}

Arrays Lane::build_node(Build& state, const Node& node,
                        const std::vector<std::optional<mx::array>>& operands) {
  bool derivative = node.kind == NodeKind::vjp || node.kind == NodeKind::jvp;
  bool watched = std::binary_search(state.sites.begin(), state.sites.end(), node.site);
  if (!derivative && !(watched && node.kind == NodeKind::gradient_hook)) {
    return lower(node, operands, *stream_, state.derivatives > 0);
  }
  Arrays given;
  for (const auto& operand : operands) given.push_back(*operand);
  if (derivative) return differentiate(state, node, given);
  return hook_gradient(given, [this, &state, site = node.site](Arrays cotangents) {
    return hooked(state, site, std::move(cotangents), true);
  });
}

// Operands: the function's arguments, then a cotangent for each result (vjp) or a tangent for each
// argument of `wrt` (jvp). Outputs: the results, then a gradient for each argument of `wrt` (vjp)
// or a tangent for each result (jvp).
Arrays Lane::differentiate(Build& state, const Node& node, const Arrays& operands) {
  const Function& function = state.program.function(node.functions[0]);
  size_t arguments = function.parameters.size();
  std::vector<size_t> wrt;
  auto it = node.attributes.find("wrt");
  if (it != node.attributes.end()) {
    for (double index : std::get<std::vector<double>>(it->second)) {
      wrt.push_back(static_cast<size_t>(index));
    }
  } else {
    for (size_t i = 0; i < arguments; ++i) wrt.push_back(i);
  }
  std::vector<NamedPrimitive> primitives;
  auto evaluate_function = [&](const Arrays& primals) {
    std::unordered_map<int, mx::array> values;
    for (size_t i = 0; i < arguments; ++i) values.emplace(static_cast<int>(i), operands[i]);
    for (size_t i = 0; i < wrt.size(); ++i) {
      values.insert_or_assign(static_cast<int>(wrt[i]), primals[i]);
    }
    build_nodes(state, function, 0, static_cast<int>(function.nodes.size()), values);
    Arrays results;
    std::set<std::uintptr_t> seen;
    for (int result : function.results) {
      mx::array value = values.at(result);
      // mx::vjp counts no cotangent for a result of stop_gradient, and one for an array that is a
      // result twice: such results become arrays of their own, in the same memory.
      bool stopped =
          value.has_primitive() && std::string_view(value.primitive().name()) == "StopGradient";
      if (!seen.insert(value.id()).second || stopped) value = mx::contiguous(value);
      results.push_back(value);
    }
    Arrays given = primals;
    given.insert(given.end(), operands.begin(), operands.end());
    stop_at_integers(results, given);
    primitives = named_primitives(results, given, state.trace.sites);
    return results;
  };
  Arrays primals;
  for (size_t index : wrt) primals.push_back(operands[index]);
  ++state.derivatives;
  Arrays directions(operands.begin() + static_cast<std::ptrdiff_t>(arguments), operands.end());
  try {
    auto [results, derivatives] = node.kind == NodeKind::vjp
                                      ? mx::vjp(evaluate_function, primals, directions)
                                      : mx::jvp(evaluate_function, primals, directions);
    --state.derivatives;
    check_shapes(node, derivatives, node.kind == NodeKind::vjp ? primals : results);
    Arrays outputs = std::move(results);
    outputs.insert(outputs.end(), derivatives.begin(), derivatives.end());
    return outputs;
  } catch (const std::exception& error) {
    int site = site_without_derivative(error.what(), primitives);
    if (site < 0) throw;
    throw RunError("derivative_unsupported", error.what(), site);
  }
}

}  // namespace davit
