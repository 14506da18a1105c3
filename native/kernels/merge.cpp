#include "kernels/merge.h"

#include <mlx/primitives.h>

#include <algorithm>
#include <typeinfo>
#include <unordered_map>
#include <unordered_set>

#include "traversal.h"

namespace davit::kernels {

namespace mx = mlx::core;

namespace {

size_t hash_of(const mx::array& array) {
  size_t hash = typeid(array.primitive()).hash_code();
  for (const auto& input : array.inputs()) hash = hash * 31 + input.id();
  return hash;
}

bool are_equal(const mx::array& a, const mx::array& b) {
  auto& one = a.primitive();
  auto& other = b.primitive();
  auto same = [](const mx::array& x, const mx::array& y) { return x.id() == y.id(); };
  return typeid(one) == typeid(other) && one.stream() == other.stream() && a.shape() == b.shape() &&
         a.dtype() == b.dtype() && std::ranges::equal(a.inputs(), b.inputs(), same) &&
         one.is_equivalent(other);
}

}  // namespace

void merge_equal(const std::vector<mx::array>& outputs, const Replaced& replaced) {
  std::unordered_set<std::uintptr_t> seen;
  std::unordered_map<std::uintptr_t, mx::array> instead;
  std::unordered_multimap<size_t, mx::array> known;
  auto visit = [&](const mx::array& array) {
    seen.insert(array.id());
    if (!array.has_primitive()) return;
    // What holds the array holds its description; all see the new operands.
    for (auto& input : mx::array(array).inputs()) {
      auto found = instead.find(input.id());
      if (found != instead.end()) input = found->second;
    }
    if (array.outputs().size() > 1) return;
    auto hash = hash_of(array);
    auto [first, last] = known.equal_range(hash);
    auto equal =
        std::find_if(first, last, [&](auto& entry) { return are_equal(entry.second, array); });
    if (equal == last) {
      known.emplace(hash, array);
    } else {
      replaced(&array.primitive(), &equal->second.primitive());
      instead.emplace(array.id(), equal->second);
    }
  };
  for (const auto& output : outputs) {
    visit_operands_first(
        output, [&](const mx::array& array) { return seen.contains(array.id()); }, visit);
  }
}

}  // namespace davit::kernels
