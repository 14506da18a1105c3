#include "engine/run/derivative_trace.h"

#include <mlx/ops.h>
#include <mlx/primitives.h>

#include <unordered_map>
#include <unordered_set>

#include "engine/hooks/hook.h"
#include "traversal.h"

namespace mx = mlx::core;

namespace davit {

namespace {

using Arrays = std::vector<mx::array>;

// What a walk from results to arguments does not go behind.
std::unordered_set<std::uintptr_t> ids(const Arrays& arguments) {
  std::unordered_set<std::uintptr_t> found;
  for (const auto& argument : arguments) found.insert(argument.id());
  return found;
}

bool has_derivative(const mx::array& array) { return mx::issubdtype(array.dtype(), mx::inexact); }

bool names(std::string_view message, std::string_view before, const std::string& name,
           std::string_view after) {
  return message.find(std::string(before) + name + std::string(after)) != std::string_view::npos;
}

}  // namespace

void stop_at_integers(const Arrays& results, const Arrays& arguments) {
  std::unordered_map<std::uintptr_t, mx::array> stopped;
  auto visit = [&](mx::array& array) {
    // By name: the wheel does not export the class's type information. A hook passes on what it
    // gets, and has derivatives of its own.
    bool stops = std::string_view(array.primitive().name()) == "StopGradient";
    if (stops || is_hook(array.primitive())) return true;
    // Going back, MLX is stopped where an integer is used; going forward, where it is made, unless
    // the same primitive makes floating results too.
    bool makes_integer = !has_derivative(array) && array.siblings().empty();
    for (size_t i = 0; i < array.inputs().size(); ++i) {
      const auto& input = array.inputs()[i];
      if (!input.is_tracer() || (has_derivative(input) && !makes_integer)) continue;
      auto it = stopped.find(input.id());
      if (it == stopped.end()) {
        auto same = mx::stop_gradient(input, array.primitive().stream());
        it = stopped.emplace(input.id(), std::move(same)).first;
      }
      // The arrays of one primitive have lists of inputs of their own, which have to agree.
      for (auto& output : array.outputs()) output.inputs()[i] = it->second;
    }
    return true;
  };
  visit_primitives(results, visit, ids(arguments));
}

std::vector<NamedPrimitive> named_primitives(const Arrays& results, const Arrays& arguments,
                                             const PrimitiveSites& sites) {
  std::vector<NamedPrimitive> primitives;
  auto visit = [&](mx::array& array) {
    auto site = sites.find(&array.primitive());
    if (site != sites.end()) primitives.push_back({array.primitive().name(), site->second});
    return true;
  };
  visit_primitives(results, visit, ids(arguments));
  return primitives;
}

int site_without_derivative(std::string_view message,
                            const std::vector<NamedPrimitive>& primitives) {
  for (const auto& [name, site] : primitives) {
    if (names(message, "Not implemented for ", name, ".") || names(message, "[", name, "::vjp]") ||
        names(message, "[", name, "::jvp]")) {
      return site;
    }
  }
  return -1;
}

}  // namespace davit
