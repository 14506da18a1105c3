// Nodes of a graph that become one program.
#pragma once

#include <mlx/mlx.h>

#include <memory>
#include <vector>

#include "kernels/primitives.h"

namespace davit::kernels {

// What a program may have at most, so that its registers stay in the cache.
constexpr size_t kMostNodes = 64;
constexpr size_t kMostInputs = 16;

// Nodes over one iteration space.
struct Group {
  mlx::core::Shape shape;
  int phase;         // of all its nodes
  Axes reduced = 0;  // once there is a reduction
  std::vector<size_t> nodes;
  std::shared_ptr<Group> joined;  // the group that this one is a part of

  mlx::core::Shape narrow() const { return without(shape, reduced); }
  // How many elements are reduced to one.
  size_t columns() const;
  // The least elements of a tile that has whole columns.
  size_t smallest_tile() const;
};

// The group that a group is a part of now, or that is itself.
std::shared_ptr<Group> current(std::shared_ptr<Group> group);

// Makes one group a part of another, where they can be one.
bool join(const std::shared_ptr<Group>& into, const std::shared_ptr<Group>& from);

}  // namespace davit::kernels
