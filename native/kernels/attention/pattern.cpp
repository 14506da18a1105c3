#include "kernels/attention/pattern.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "kernels/attention/attention.h"
#include "kernels/constants.h"
#include "kernels/primitives.h"
#include "kernels/products/primitives.h"
#include "traversal.h"

namespace davit::kernels {

namespace mx = mlx::core;

namespace {

std::string_view name_of(const mx::array& array) {
  return array.has_primitive() ? array.primitive().name() : std::string_view();
}

mx::array before_broadcasts(mx::array array) {
  while (is_broadcast(array)) array = mx::array(array.inputs()[0]);
  return array;
}

// Where the numbers from `first` on lie along an axis, counted from the last one, which is 0.
struct Counting {
  double first;
  size_t axis;
};

// Of an array that counts along one axis and is the same along the others.
std::optional<Counting> counting(const mx::array& array) {
  auto at = before_broadcasts(array);
  auto axis = std::ranges::find_if(at.shape(), [](int size) { return size != 1; });
  if (axis == at.shape().end() || at.size() != static_cast<size_t>(*axis)) return std::nullopt;
  auto from_last = static_cast<size_t>(at.shape().end() - axis) - 1;
  while (name_of(at) == "ExpandDims" || is_broadcast(at)) at = mx::array(at.inputs()[0]);
  if (name_of(at) != "Arange") return std::nullopt;
  auto [start, stop, step] = static_cast<mx::Arange&>(at.primitive()).state();
  if (step != 1) return std::nullopt;
  return Counting{start, from_last};
}

// What a condition says if it is that keys are not behind queries.
std::optional<int64_t> causal_offset(const mx::array& condition) {
  auto at = before_broadcasts(condition);
  if (name_of(at) != "GreaterEqual") return std::nullopt;
  auto queries = counting(at.inputs()[0]);
  auto keys = counting(at.inputs()[1]);
  if (!queries || !keys || queries->axis != 1 || keys->axis != 0) return std::nullopt;
  return static_cast<int64_t>(queries->first - keys->first);
}

class Finder {
 public:
  Finder(const std::vector<mx::array>& outputs, const Replaced& replaced) : replaced_(replaced) {
    for (const auto& output : outputs) ++users_[output.id()];
    visit_primitives(outputs, [&](const mx::array& array) {
      for (const auto& input : array.inputs()) ++users_[input.id()];
      if (name_of(array) == "Matmul") products_.push_back(array);
      return true;
    });
  }

  void run() {
    for (auto& product : products_) {
      Match match;
      if (is_attention(product, match)) replace(product, match);
    }
  }

 private:
  struct Match {
    std::vector<mx::array> inside;  // what is no longer computed on its own
    std::vector<mx::array> operands;
    std::vector<ScoreStep> steps;
    std::optional<mx::array> sinks;
  };

  // Whether a value is used by one primitive only.
  bool is_inner(const mx::array& array) const {
    return array.has_primitive() && users_.at(array.id()) == 1;
  }

  bool is_attention(const mx::array& product, Match& match) const {
    auto real = real_of(product.dtype());
    if (!real || product.size() == 0) return false;
    if (product.primitive().stream().device != mx::Device::cpu) return false;
    mx::array weights = product.inputs()[0];
    bool sliced = name_of(weights) == "Slice";
    if (sliced) {
      if (!is_inner(weights) || !drops_first_column(weights)) return false;
      match.inside.push_back(weights);
      weights = mx::array(weights.inputs()[0]);
    }
    if (name_of(weights) != "Softmax" || !is_inner(weights)) return false;
    match.inside.push_back(weights);
    mx::array scores = weights.inputs()[0];
    if (sliced) {
      if (name_of(scores) != "Concatenate" || !is_inner(scores) || scores.inputs().size() != 2) {
        return false;
      }
      // A copy: what is assigned to holds it.
      std::vector<mx::array> parts = scores.inputs();
      if (parts[0].shape(-1) != 1 || parts[1].shape(-1) != scores.shape(-1) - 1) return false;
      match.inside.push_back(scores);
      match.sinks = before_broadcasts(parts[0]);
      scores = parts[1];
    }
    if (!are_scores(scores, match)) return false;
    match.operands.insert(match.operands.begin() + 2, product.inputs()[1]);
    return match.operands[0].shape(-1) > 0 && match.operands[2].shape(-2) > 0;
  }

  static bool drops_first_column(const mx::array& slice) {
    auto [start, stop, steps] = static_cast<mx::Slice&>(slice.primitive()).state();
    mx::Shape first(start.size(), 0);
    first.back() = 1;
    return start == first && stop == slice.inputs()[0].shape() &&
           std::ranges::all_of(steps, [](int step) { return step == 1; });
  }

  // Whether these are products of queries and keys, scaled and masked. Then the match has both as
  // its first operands, and what is done to them, the innermost first.
  bool are_scores(const mx::array& scores, Match& match) const {
    auto name = name_of(scores);
    if (!is_inner(scores)) return false;
    const auto& inputs = scores.inputs();
    bool found = false;
    if (name == "Matmul") {
      match.operands = {inputs[0], inputs[1]};
      found = true;
    } else if (name == "Multiply" || name == "Divide") {
      for (size_t i = 0; i < 2 && !found; ++i) {
        auto factor = constant_of(inputs[1 - i]);
        if (!factor || (name == "Divide" && i == 1) || !are_scores(inputs[i], match)) continue;
        double value = name == "Divide" ? 1 / *factor : *factor;
        match.steps.push_back({ScoreStep::Kind::scale, static_cast<float>(value)});
        found = true;
      }
    } else if (name == "Add") {
      for (size_t i = 0; i < 2 && !found; ++i) {
        if (!are_scores(inputs[i], match)) continue;
        add_operand(match, {ScoreStep::Kind::add}, inputs[1 - i]);
        found = true;
      }
    } else if (name == "Select") {
      auto fill = constant_of(inputs[2]);
      if (!fill || !are_scores(inputs[1], match)) return false;
      auto value = static_cast<float>(*fill);
      if (auto offset = causal_offset(inputs[0])) {
        match.steps.push_back({ScoreStep::Kind::causal, value, 0, *offset});
      } else {
        add_operand(match, {ScoreStep::Kind::select, value}, inputs[0]);
      }
      found = true;
    }
    if (found) match.inside.push_back(scores);
    return found;
  }

  static void add_operand(Match& match, ScoreStep step, const mx::array& operand) {
    // The values come between the keys and what follows.
    step.input = match.operands.size() + 1;
    match.operands.push_back(before_broadcasts(operand));
    match.steps.push_back(step);
  }

  void replace(mx::array& product, const Match& match) {
    auto inputs = match.operands;
    if (match.sinks) inputs.push_back(*match.sinks);
    auto attention =
        std::make_shared<Attention>(product.primitive().stream(), *real_of(product.dtype()),
                                    match.steps, match.sinks.has_value());
    for (const auto& inner : match.inside) replaced_(&inner.primitive(), attention.get());
    replaced_(&product.primitive(), attention.get());
    product.primitive_ptr() = attention;
    product.inputs() = inputs;
  }

  const Replaced& replaced_;
  std::unordered_map<std::uintptr_t, size_t> users_;
  std::vector<mx::array> products_;
};

}  // namespace

void find_attention(const std::vector<mx::array>& outputs, const Replaced& replaced) {
  Finder(outputs, replaced).run();
}

}  // namespace davit::kernels
