#include "primitives/graph.h"

#include <string_view>
#include <unordered_set>

#include "engine/failure.h"
#include "primitives/doubles.h"
#include "primitives/empty.h"
#include "primitives/matrices.h"

namespace davit {

namespace {

using Ids = std::unordered_set<std::uintptr_t>;

// Notes the node of primitives that took another's place, down to that one's operands, and that
// they are as they should be.
void note(const Arrays& made, const Ids& operands, int site, PrimitiveSites& sites, Ids& seen) {
  Arrays left = made;
  while (!left.empty()) {
    auto array = std::move(left.back());
    left.pop_back();
    if (!array.has_primitive() || operands.contains(array.id())) continue;
    sites.insert_or_assign(array.primitive_ptr().get(), site);
    seen.insert(array.id());
    left.insert(left.end(), array.inputs().begin(), array.inputs().end());
  }
}

// Puts guarded primitives in the place of an array's own and its siblings'.
void guard(const mx::array& array, PrimitiveSites& sites, Ids& seen) {
  auto original = array.primitive_ptr();
  std::string_view name = original->name();
  if (name.starts_with("Davit")) return;
  auto known = sites.find(original.get());
  int site = known == sites.end() ? -1 : known->second;
  Ids operands;
  for (const auto& operand : array.inputs()) operands.insert(operand.id());
  auto outputs = array.outputs();
  try {
    if (!replace_empty(outputs) && !guard_matrices(outputs) && !replace_doubles(outputs)) return;
  } catch (const OpError& error) {
    throw RunError(error.code(), error.what(), site);
  }
  sites.erase(original.get());
  note(outputs, operands, site, sites, seen);
}

}  // namespace

void guard_graph(const Arrays& outputs, PrimitiveSites& sites) {
  Ids seen;
  Arrays left = outputs;
  while (!left.empty()) {
    auto array = std::move(left.back());
    left.pop_back();
    if (!array.has_primitive() || !seen.insert(array.id()).second) continue;
    auto inputs = array.inputs();
    guard(array, sites, seen);
    left.insert(left.end(), inputs.begin(), inputs.end());
  }
}

}  // namespace davit
