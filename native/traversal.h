// Walks over traced graphs, without recursion: a chain may have 100,000 nodes.
#pragma once

#include <mlx/mlx.h>

#include <cstdint>
#include <unordered_set>
#include <utility>
#include <vector>

namespace davit {

// Calls `visit` once for each primitive behind `outputs`, with one of its arrays, results first. It
// may replace the array's inputs, and returns whether to go on behind them. Primitives of arrays in
// `seen` are left out.
template <typename Visit>
void visit_primitives(const std::vector<mlx::core::array>& outputs, Visit visit,
                      std::unordered_set<std::uintptr_t> seen = {}) {
  auto left = outputs;
  while (!left.empty()) {
    auto array = std::move(left.back());
    left.pop_back();
    if (!array.has_primitive() || seen.contains(array.id())) continue;
    for (const auto& output : array.outputs()) seen.insert(output.id());
    if (visit(array)) left.insert(left.end(), array.inputs().begin(), array.inputs().end());
  }
}

// Calls `visit` for each array behind `output`, and then for it, operands first. `known(array)`
// says which are not visited; it holds for what was visited.
template <typename Known, typename Visit>
void visit_operands_first(const mlx::core::array& output, Known known, Visit visit) {
  std::vector<std::pair<mlx::core::array, size_t>> stack;
  if (!known(output)) stack.emplace_back(output, 0);
  while (!stack.empty()) {
    auto& [array, next] = stack.back();
    if (known(array)) {
      stack.pop_back();
    } else if (array.has_primitive() && next < array.inputs().size()) {
      auto operand = array.inputs()[next++];
      if (!known(operand)) stack.emplace_back(std::move(operand), 0);
    } else {
      visit(array);
      stack.pop_back();
    }
  }
}

}  // namespace davit
