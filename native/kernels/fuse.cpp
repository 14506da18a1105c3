#include "kernels/fuse.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "kernels/attention/pattern.h"
#include "kernels/builder.h"
#include "kernels/fused.h"
#include "kernels/group.h"
#include "kernels/merge.h"
#include "kernels/primitives.h"
#include "kernels/products/primitives.h"
#include "kernels/results.h"
#include "kernels/rotation.h"
#include "kernels/substitute.h"
#include "kernels/thresholds.h"
#include "traversal.h"

namespace davit::kernels {

namespace mx = mlx::core;

namespace {

struct Node {
  mx::array result;
  std::vector<size_t> operands;  // nodes
  std::vector<size_t> users;
  Part part;
  // The group that computes it, and how many values are between a source and it that are computed
  // otherwise, each time with a group before it: no node of a group depends on another one of its
  // phase by way of a node outside.
  std::shared_ptr<Group> group;
  Extent extent = Extent::wide;
  int phase = 0;
  bool is_output = false;
  // The node whose value this one passes through: what is ours reads that one's.
  std::optional<size_t> same_as = std::nullopt;
};

class Fusion {
 public:
  Fusion(const std::vector<mx::array>& outputs, const Replaced& replaced) : replaced_(replaced) {
    collect(outputs);
  }

  void run() {
    for (size_t i = 0; i < nodes_.size(); ++i) place(i);
    std::vector<std::shared_ptr<Group>> groups;
    std::unordered_set<Group*> seen;
    for (auto& node : nodes_) {
      node.group = current(node.group);
      if (node.group && seen.insert(node.group.get()).second) groups.push_back(node.group);
    }
    for (auto& group : groups) {
      std::ranges::sort(group->nodes);
      auto read = outside(*group);
      if (worth_it(*group, read)) replace(*group, read);
    }
  }

 private:
  void collect(const std::vector<mx::array>& outputs) {
    auto known = [&](const mx::array& array) { return number_.contains(array.id()); };
    for (const auto& output : outputs) {
      visit_operands_first(output, known, [&](const mx::array& array) { visit(array); });
      nodes_[number_.at(output.id())].is_output = true;
    }
  }

  // An array with those that the same primitive makes.
  void visit(const mx::array& array) {
    std::vector<size_t> operands;
    if (array.has_primitive()) {
      for (const auto& operand : array.inputs()) operands.push_back(number_.at(operand.id()));
    }
    auto results = array.has_primitive() ? array.outputs() : std::vector<mx::array>{array};
    for (size_t i = 0; i < results.size(); ++i) {
      size_t number = nodes_.size();
      number_.emplace(results[i].id(), number);
      Node node{results[i], operands, {}, results.size() == 1 ? part_of(results[i]) : Part{}, {}};
      if (node.part.role != Role::none) {
        for (size_t& operand : node.operands) {
          operand = nodes_[operand].same_as.value_or(operand);
        }
      } else if (passes_through(results[i], i)) {
        node.same_as = nodes_[operands[i]].same_as.value_or(operands[i]);
      }
      for (size_t operand : node.operands) nodes_[operand].users.push_back(number);
      nodes_.push_back(std::move(node));
    }
  }

  // Whether a node could compute in the group of one of its operands, and how its result would lie
  // there.
  std::optional<Extent> fits(const Node& node, const Node& operand) const {
    auto group = current(operand.group);
    if (!group || group->nodes.size() >= kMostNodes) return std::nullopt;
    const auto& shape = node.result.shape();
    switch (node.part.role) {
      case Role::elementwise:
        if (operand.extent == Extent::wide && shape == group->shape) return Extent::wide;
        if (operand.extent == Extent::narrow && shape == group->narrow()) return Extent::narrow;
        return std::nullopt;
      case Role::repetition:
        // Longer columns are read from memory once more, rather than kept in registers.
        if (group->smallest_tile() > kLongestRow) return std::nullopt;
        if (operand.extent == Extent::narrow && shape == group->shape) return Extent::wide;
        return std::nullopt;
      case Role::reduction:
      case Role::row_wise:
        if (operand.extent != Extent::wide || operand.result.shape() != group->shape) {
          return std::nullopt;
        }
        if (group->reduced != 0 && group->reduced != node.part.axes) return std::nullopt;
        return node.part.role == Role::reduction ? Extent::narrow : Extent::wide;
      case Role::none:
        return std::nullopt;
    }
    return std::nullopt;
  }

  void place(size_t number) {
    Node& node = nodes_[number];
    bool ours = node.part.role != Role::none;
    int phase = 0;
    for (size_t operand : node.operands) {
      const Node& from = nodes_[operand];
      bool joins = ours && fits(node, from).has_value();
      phase = std::max(phase, from.group && !joins ? from.phase + 1 : from.phase);
    }
    node.phase = phase;
    if (!ours) return;
    std::shared_ptr<Group> group;
    bool apart = false;
    for (size_t operand : node.operands) {
      const Node& from = nodes_[operand];
      auto extent = fits(node, from);
      if (!extent || from.phase != phase) continue;
      auto other = current(from.group);
      if (!group) {
        group = other;
        node.extent = *extent;
      } else if (group != other && node.extent == *extent && join(group, other)) {
        // They are one now.
      } else if (group != other || node.extent != *extent) {
        apart = true;
      }
    }
    if (apart) {
      // One of the operands is of a group that this node cannot be in, and then it must come after
      // that.
      node.phase = phase + 1;
      group = nullptr;
    }
    if (!group) {
      if (node.part.role == Role::repetition) {
        // A broadcast of something else costs MLX nothing.
        return;
      }
      group = std::make_shared<Group>();
      group->shape = node.part.axes != 0 ? node.result.inputs()[0].shape() : node.result.shape();
      node.phase = std::max(node.phase, 1);
      group->phase = node.phase;
      node.extent = node.part.role == Role::reduction ? Extent::narrow : Extent::wide;
    }
    if (node.part.axes != 0) group->reduced = node.part.axes;
    group->nodes.push_back(number);
    node.group = group;
  }

  // What a group reads from outside, by way of broadcasts that nothing else needs.
  struct Outside {
    std::vector<mx::array> arrays;
    std::vector<Extent> extents;
    std::unordered_map<size_t, size_t> input_of;  // by node
  };

  Extent extent_of(const Group& group, const mx::array& operand) const {
    bool narrow = group.reduced != 0 && operand.shape() != group.shape;
    return narrow ? Extent::narrow : Extent::wide;
  }

  Outside outside(const Group& group) const {
    Outside result;
    for (size_t number : group.nodes) {
      for (size_t operand : nodes_[number].operands) {
        if (nodes_[operand].group.get() == &group || result.input_of.contains(operand)) continue;
        mx::array array = nodes_[operand].result;
        auto extent = extent_of(group, array);
        while (is_broadcast(array) && !nodes_[number_.at(array.id())].group) {
          array = mx::array(array.inputs()[0]);
        }
        result.input_of.emplace(operand, result.arrays.size());
        result.arrays.push_back(std::move(array));
        result.extents.push_back(extent);
      }
    }
    return result;
  }

  bool worth_it(const Group& group, const Outside& read) const {
    if (read.arrays.size() > kMostInputs) return false;
    if (group.reduced == 0) return true;
    if (group.columns() < 2) return false;
    size_t tile = group.smallest_tile();
    if (tile <= kLongestRow) return true;
    auto program = write(group, read).first;
    return program.rows_divide() || tile <= largest_tile(program);
  }

  // The program of a group and the nodes that are its outputs.
  std::pair<Program, std::vector<size_t>> write(const Group& group, const Outside& read) const {
    ProgramBuilder builder;
    std::unordered_map<size_t, int> value_of;
    std::vector<int> inputs;
    for (size_t i = 0; i < read.arrays.size(); ++i) {
      inputs.push_back(builder.input(read.arrays[i].dtype(), read.extents[i]));
    }
    for (const auto& [node, input] : read.input_of) value_of.emplace(node, inputs[input]);
    std::vector<size_t> results;
    for (size_t number : group.nodes) {
      const Node& node = nodes_[number];
      std::vector<int> operands;
      for (size_t operand : node.operands) operands.push_back(value_of.at(operand));
      int value = builder.add(node.result, operands);
      value_of.emplace(number, value);
      bool used = node.is_output || std::ranges::any_of(node.users, [&](size_t user) {
                    return nodes_[user].group.get() != &group;
                  });
      if (!used) continue;
      builder.output(value, node.result.dtype());
      results.push_back(number);
    }
    return {builder.build(), std::move(results)};
  }

  void replace(const Group& group, const Outside& read) {
    auto [program, results] = write(group, read);
    auto stream = nodes_[group.nodes.front()].result.primitive().stream();
    auto fused = std::make_shared<Fused>(stream, std::move(program), group.shape, group.reduced);
    for (size_t number : group.nodes) {
      replaced_(&nodes_[number].result.primitive(), fused.get());
    }
    std::vector<mx::array> arrays;
    for (size_t number : results) arrays.push_back(nodes_[number].result);
    make_results(arrays, fused, read.arrays);
  }

  const Replaced& replaced_;
  std::vector<Node> nodes_;
  std::unordered_map<std::uintptr_t, size_t> number_;
};

}  // namespace

void fuse(const std::vector<mx::array>& outputs, const Replaced& replaced) {
  if (instructions() == nullptr) return;
  merge_equal(outputs, replaced);
  find_attention(outputs, replaced);
  find_rotations(outputs, replaced);
  substitute(outputs, replaced);
  join_packed_products(outputs, replaced);
  Fusion(outputs, replaced).run();
}

}  // namespace davit::kernels
