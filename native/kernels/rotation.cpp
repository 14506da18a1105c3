#include "kernels/rotation.h"

#include <mlx/allocator.h>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string_view>

#include "kernels/primitives.h"
#include "kernels/share.h"
#include "traversal.h"

namespace davit::kernels {

namespace mx = mlx::core;

namespace {

// Nanoseconds that an element takes.
constexpr double kCost = 0.5;

mx::array before_broadcasts(mx::array array) {
  while (is_broadcast(array)) array = mx::array(array.inputs()[0]);
  return array;
}

// The operands of a primitive of this name with two of them.
std::optional<std::pair<mx::array, mx::array>> operands_of(std::string_view name,
                                                           const mx::array& array) {
  if (!array.has_primitive() || array.primitive().name() != name) return std::nullopt;
  const auto& inputs = array.inputs();
  if (inputs.size() != 2) return std::nullopt;
  return std::pair{inputs[0], inputs[1]};
}

// Every `step`-th column of an array from `first` on.
struct Columns {
  mx::array of;
  int first;
  int step;
};

std::optional<Columns> columns_of(const mx::array& array) {
  if (!array.has_primitive() || std::string_view(array.primitive().name()) != "Slice") {
    return std::nullopt;
  }
  auto [start, stop, steps] = static_cast<mx::Slice&>(array.primitive()).state();
  const auto& of = array.inputs()[0];
  for (size_t axis = 0; axis + 1 < start.size(); ++axis) {
    int index = static_cast<int>(axis);
    if (start[axis] != 0 || steps[axis] != 1 || array.shape(index) != of.shape(index)) {
      return std::nullopt;
    }
  }
  return Columns{of, start.back(), steps.back()};
}

// x * cos - y * sin, or x * sin + y * cos; cosines and sines as they are before a broadcast.
struct Turned {
  mx::array x;
  mx::array y;
  mx::array of_x;
  mx::array of_y;
};

std::optional<Turned> turned(std::string_view name, const mx::array& array) {
  auto parts = operands_of(name, array);
  if (!parts) return std::nullopt;
  auto first = operands_of("Multiply", parts->first);
  auto second = operands_of("Multiply", parts->second);
  if (!first || !second) return std::nullopt;
  return Turned{first->first, second->first, before_broadcasts(first->second),
                before_broadcasts(second->second)};
}

// Whether there is a factor for each pair of each row, the same for all matrices.
bool is_of_rows(const mx::array& factors, const mx::array& pairs) {
  const auto& shape = factors.shape();
  return shape.size() >= 2 && shape.back() == pairs.shape(-1) &&
         shape[shape.size() - 2] == pairs.shape(-2) &&
         std::all_of(shape.begin(), shape.end() - 2, [](int size) { return size == 1; });
}

struct Match {
  bool neighbours;
  std::vector<mx::array> operands;
};

std::optional<Match> rotation(const mx::array& joined) {
  auto parts = operands_of("Concatenate", joined);
  if (!parts || joined.dtype() != mx::float32 || joined.ndim() < 3) return std::nullopt;
  auto axis = static_cast<mx::Concatenate&>(joined.primitive()).state();
  if (axis != static_cast<int>(joined.ndim()) - 1) return std::nullopt;
  auto [one, other] = *parts;
  auto is_expanded = [](const mx::array& array) {
    return array.has_primitive() && array.shape(-1) == 1 &&
           std::string_view(array.primitive().name()) == "ExpandDims";
  };
  bool neighbours = is_expanded(one) && is_expanded(other);
  if (neighbours) {
    one = mx::array(one.inputs()[0]);
    other = mx::array(other.inputs()[0]);
    if (one.ndim() + 1 != joined.ndim()) return std::nullopt;
  }
  auto low = turned("Subtract", one);
  auto high = turned("Add", other);
  if (!low || !high || low->x.id() != high->x.id() || low->y.id() != high->y.id() ||
      low->of_x.id() != high->of_y.id() || low->of_y.id() != high->of_x.id()) {
    return std::nullopt;
  }
  auto x = columns_of(low->x);
  auto y = columns_of(low->y);
  int pairs = one.shape(-1);
  if (!x || !y || x->of.id() != y->of.id() || x->of.shape(-1) != 2 * pairs || x->first != 0 ||
      y->first != (neighbours ? 1 : pairs) || x->step != (neighbours ? 2 : 1) ||
      y->step != x->step || !is_of_rows(low->of_x, one) || !is_of_rows(low->of_y, one)) {
    return std::nullopt;
  }
  return Match{neighbours, {x->of, low->of_x, low->of_y}};
}

// Where each row of an array begins, in elements.
std::vector<int64_t> rows_of(const mx::array& array) {
  std::vector<int64_t> rows{0};
  for (size_t axis = 0; axis + 1 < array.ndim(); ++axis) {
    std::vector<int64_t> finer;
    finer.reserve(rows.size() * static_cast<size_t>(array.shape()[axis]));
    for (int64_t row : rows) {
      for (int i = 0; i < array.shape()[axis]; ++i)
        finer.push_back(row + i * array.strides()[axis]);
    }
    rows = std::move(finer);
  }
  return rows;
}

}  // namespace

void Rotation::eval_cpu(const std::vector<mx::array>& inputs, std::vector<mx::array>& outputs) {
  const auto& x = inputs[0];
  auto& output = outputs[0];
  output.set_data(mx::allocator::malloc(output.nbytes()));
  auto rows = rows_of(x);
  auto rows_of_factors = rows_of(inputs[1]);
  auto rows_of_sines = rows_of(inputs[2]);
  size_t pairs = static_cast<size_t>(x.shape(-1)) / 2;
  int64_t step = x.strides(-1);
  int64_t step_of_cosines = inputs[1].strides(-1);
  int64_t step_of_sines = inputs[2].strides(-1);
  // From the first to the second of a pair, and from pair to pair; the same in the result.
  size_t partner = neighbours_ ? 1 : pairs;
  size_t next = neighbours_ ? 2 : 1;
  auto turn = [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      const float* from = x.data<float>() + rows[row];
      float* to = output.data<float>() + row * 2 * pairs;
      size_t of_factors = row % rows_of_factors.size();
      const float* cosines = inputs[1].data<float>() + rows_of_factors[of_factors];
      const float* sines = inputs[2].data<float>() + rows_of_sines[of_factors];
      for (size_t i = 0; i < pairs; ++i) {
        float a = from[static_cast<int64_t>(i * next) * step];
        float b = from[static_cast<int64_t>(i * next + partner) * step];
        float cosine = cosines[static_cast<int64_t>(i) * step_of_cosines];
        float sine = sines[static_cast<int64_t>(i) * step_of_sines];
        to[i * next] = a * cosine - b * sine;
        to[i * next + partner] = a * sine + b * cosine;
      }
    }
  };
  share_work(static_cast<double>(output.size()) * kCost, rows.size(), turn);
}

void Rotation::eval_gpu(const std::vector<mx::array>&, std::vector<mx::array>&) {
  throw std::runtime_error("a kernel for the CPU is evaluated on a CPU stream");
}

void find_rotations(const std::vector<mx::array>& outputs, const Replaced& replaced) {
  visit_primitives(outputs, [&](const mx::array& array) {
    auto original = array.primitive_ptr();
    if (original->stream().device != mx::Device::cpu || array.size() == 0) return true;
    if (auto match = rotation(array)) {
      auto ours = std::make_shared<Rotation>(original->stream(), match->neighbours);
      // What holds the array holds its description; all see the new primitive.
      mx::array(array).primitive_ptr() = ours;
      mx::array(array).inputs() = match->operands;
      replaced(original.get(), ours.get());
    }
    return true;
  });
}

}  // namespace davit::kernels
