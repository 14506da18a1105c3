#include "kernels/group.h"

#include <algorithm>

#include "kernels/thresholds.h"

namespace davit::kernels {

namespace mx = mlx::core;

size_t Group::columns() const {
  size_t count = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    if ((reduced >> i & 1) != 0) count *= static_cast<size_t>(shape[static_cast<int>(i)]);
  }
  return count;
}

size_t Group::smallest_tile() const {
  size_t side_by_side = 1;
  for (size_t i = shape.size(); i-- > 0 && (reduced >> i & 1) == 0;) {
    side_by_side *= static_cast<size_t>(shape[static_cast<int>(i)]);
  }
  return columns() * std::min(side_by_side, kNarrowestTile);
}

std::shared_ptr<Group> current(std::shared_ptr<Group> group) {
  while (group && group->joined) group = group->joined;
  return group;
}

bool join(const std::shared_ptr<Group>& into, const std::shared_ptr<Group>& from) {
  if (into->shape != from->shape || into->phase != from->phase) return false;
  if (into->reduced != 0 && from->reduced != 0 && into->reduced != from->reduced) return false;
  if (into->nodes.size() + from->nodes.size() >= kMostNodes) return false;
  if (into->reduced == 0) into->reduced = from->reduced;
  into->nodes.insert(into->nodes.end(), from->nodes.begin(), from->nodes.end());
  from->nodes.clear();
  from->joined = into;
  return true;
}

}  // namespace davit::kernels
