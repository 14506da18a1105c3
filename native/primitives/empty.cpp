#include "primitives/empty.h"

#include <mlx/backend/cpu/encoder.h>
#include <mlx/primitives.h>

#include <algorithm>
#include <limits>
#include <set>

#include "primitives/elements.h"

namespace davit {

namespace {

// Sums of products.
const std::set<std::string_view> kProducts = {"Matmul",        "GatherMM",        "SegmentedMM",
                                              "BlockMaskedMM", "QuantizedMatmul", "QQMatmul",
                                              "GatherQMM",     "GatherQQMM",      "Convolution"};

// Primitives that take elements of their first operand.
bool takes(std::string_view name) { return name == "Gather" || name == "GatherAxis"; }

// The operand that holds what is written into the first one, or nothing.
std::optional<size_t> updates_of(std::string_view name, const Arrays& inputs) {
  if (name.starts_with("ScatterAxis") || name.starts_with("Scatter")) return inputs.size() - 1;
  if (name.starts_with("SliceUpdate") || name == "DynamicSliceUpdate") return 1;
  return std::nullopt;
}

// Puts the graph of another array in the place of an array's own, for all that refer to it.
void become(mx::array& array, mx::array other, mx::Stream s) {
  if (!other.has_primitive()) other = mx::copy(other, s);
  array.set_siblings({}, 0);
  array.primitive_ptr() = other.primitive_ptr();
  array.inputs() = other.inputs();
}

mx::array filled(const mx::array& like, double value, mx::Stream s) {
  return mx::full(like.shape(), mx::array(value, like.dtype()), s);
}

// A masked scatter without elements to write, on the CPU: fails where the mask marks a place, as it
// does where they are too few.
class MaskedScatterOfNothing : public mx::UnaryPrimitive {
 public:
  using UnaryPrimitive::UnaryPrimitive;

  void eval_cpu(const Arrays& inputs, mx::array& out) override {
    out.copy_shared_buffer(inputs[0]);
    mx::cpu::get_command_encoder(stream()).dispatch(
        [mask = mx::array::unsafe_weak_copy(inputs[1])] {
          const bool* marks = mask.data<bool>();
          bool marked = false;
          each_offset(mask, [&](int64_t offset) { marked = marked || marks[offset]; });
          if (marked) throw std::runtime_error("the mask marks places, and there are no elements");
        });
  }
  void eval_gpu(const Arrays&, mx::array&) override {
    throw std::runtime_error("this masked scatter is evaluated on a CPU stream");
  }
  const char* name() const override { return "DavitMaskedScatterOfNothing"; }
};

mx::array masked_scatter_of_nothing(const mx::array& output, mx::Stream s) {
  const auto& inputs = output.inputs();
  if (s.device != mx::Device::cpu) return mx::copy(inputs[0], s);
  return mx::array(output.shape(), output.dtype(), std::make_shared<MaskedScatterOfNothing>(s),
                   {inputs[0], inputs[1]});
}

}  // namespace

bool replace_empty(Arrays& outputs) {
  auto primitive = outputs[0].primitive_ptr();
  std::string_view name = primitive->name();
  auto s = primitive->stream();
  const Arrays inputs = outputs[0].inputs();
  auto empty = [](const mx::array& array) { return array.size() == 0; };

  if (std::all_of(outputs.begin(), outputs.end(), empty)) {
    for (auto& output : outputs) become(output, filled(output, 0, s), s);
    return true;
  }
  if (std::none_of(inputs.begin(), inputs.end(), empty)) return false;

  auto& output = outputs[0];
  if (kProducts.contains(name) || name == "Sum" || name == "Or") {
    become(output, filled(output, 0, s), s);
  } else if (name == "Prod" || name == "And") {
    become(output, filled(output, 1, s), s);
  } else if (name == "LogSumExp") {
    become(output, filled(output, -std::numeric_limits<double>::infinity(), s), s);
  } else if (name == "LUF") {
    // Without columns, or without rows, the rows stay where they are.
    for (auto& each : outputs) {
      auto same =
          each.size() == 0
              ? filled(each, 0, s)
              : mx::broadcast_to(mx::arange(0, each.shape(-1), 1, mx::uint32, s), each.shape(), s);
      become(each, same, s);
    }
  } else if (name == "MaskedScatter" && inputs[2].size() == 0 && inputs[1].size() > 0) {
    become(output, masked_scatter_of_nothing(output, s), s);
  } else if (auto updates = updates_of(name, inputs); updates && empty(inputs[*updates])) {
    become(output, mx::copy(inputs[0], s), s);
  } else if ((takes(name) && empty(inputs[0])) || name == "Max" || name == "Min") {
    throw OpError("shape_invalid", std::string(name) + " of an empty tensor");
  } else {
    return false;
  }
  return true;
}

}  // namespace davit
