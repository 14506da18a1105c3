// Convolutions: channels last, weights as [output channels, ..., input channels].
#include <algorithm>
#include <cstdint>

#include "ops/guards.h"

namespace davit {

namespace {

// A list of one number for each of `n` axes: as given, one for all, or the default.
std::vector<int> per_axis(const OpCall& call, const char* name, size_t n, int fallback) {
  auto given = call.has(name) ? call.integers(name) : std::vector<int>{fallback};
  return given.size() == 1 ? std::vector<int>(n, given[0]) : given;
}

// How far a convolution goes along each spatial axis.
struct Steps {
  std::vector<int> stride;
  std::vector<int> kernel_dilation;
  std::vector<int> input_dilation;
};

// Makes steps 1 that nothing depends on: of a kernel or an input of one element, and a stride
// that leaves the input at once. The derivatives spread their operands out by these steps, and
// would go through gaps of any length.
void shorten(Steps& steps, const mx::array& in, const mx::array& weight,
             const std::vector<int>& low, const std::vector<int>& high) {
  for (size_t i = 0; i < steps.stride.size(); ++i) {
    int axis = static_cast<int>(i) + 1;
    int64_t kernel = weight.shape(axis);
    if (kernel <= 1) steps.kernel_dilation[i] = 1;
    // Negative padding cuts the input before it is spread out.
    int64_t size = int64_t{in.shape(axis)} + std::min(low[i], 0) + std::min(high[i], 0);
    if (size <= 1) steps.input_dilation[i] = 1;
    int64_t spread = size > 0 ? 1 + steps.input_dilation[i] * (size - 1) : 0;
    int64_t padded = spread + std::max(low[i], 0) + std::max(high[i], 0);
    int64_t extent = 1 + steps.kernel_dilation[i] * (kernel - 1);
    int64_t enough = std::max<int64_t>(padded - extent + 1, 1);
    steps.stride[i] = static_cast<int>(std::min<int64_t>(steps.stride[i], enough));
  }
}

// Convolves, unless there is nothing to sum up.
mx::array convolve_any(mx::array in, mx::array weight, Steps steps, const std::vector<int>& low,
                       const std::vector<int>& high, int groups, bool flip, mx::Stream s) {
  shorten(steps, in, weight, low, high);
  bool nothing = in.shape(-1) == 0 || weight.size() == 0;
  auto out = mx::conv_general(in, weight, steps.stride, low, high, steps.kernel_dilation,
                              steps.input_dilation, groups, flip, s);
  return nothing || out.size() == 0 ? zeros_for(out, s) : out;
}

mx::array conv(const OpCall& call, size_t n) {
  auto padding = per_axis(call, "padding", n, 0);
  Steps steps{per_axis(call, "stride", n, 1), per_axis(call, "dilation", n, 1),
              std::vector<int>(n, 1)};
  return convolve_any(call[0], call[1], steps, padding, padding, call.integer("groups", 1), false,
                      call.stream());
}

// The gradient of a convolution by its input, as MLX defines it: the stride spreads the input out.
mx::array conv_transpose(const OpCall& call, size_t n) {
  auto padding = per_axis(call, "padding", n, 0);
  auto dilation = per_axis(call, "dilation", n, 1);
  auto extra = per_axis(call, "output_padding", n, 0);
  std::vector<int> low(n), high(n);
  for (size_t i = 0; i < n; ++i) {
    low[i] = dilation[i] * (call[1].shape(static_cast<int>(i) + 1) - 1) - padding[i];
    high[i] = low[i] + extra[i];
  }
  Steps steps{std::vector<int>(n, 1), dilation, per_axis(call, "stride", n, 1)};
  return convolve_any(call[0], call[1], steps, low, high, call.integer("groups", 1), true,
                      call.stream());
}

mx::array conv_general(const OpCall& call) {
  size_t n = call[0].ndim() - 2;
  Steps steps{per_axis(call, "stride", n, 1), per_axis(call, "kernel_dilation", n, 1),
              per_axis(call, "input_dilation", n, 1)};
  return convolve_any(call[0], call[1], steps, per_axis(call, "padding_lo", n, 0),
                      per_axis(call, "padding_hi", n, 0), call.integer("groups", 1),
                      call.flag("flip", false), call.stream());
}

// Of two vectors, as in signal processing: the shorter one is reversed and slides over the other.
mx::array convolve(const OpCall& call) {
  auto s = call.stream();
  auto mode = call.text("mode", "full");
  bool swapped = call[0].size() < call[1].size();
  const auto& in = swapped ? call[1] : call[0];
  const auto& weight = swapped ? call[0] : call[1];
  int size = weight.shape(0);
  int low = mode == "full" ? size - 1 : mode == "same" ? size / 2 : 0;
  int high = mode == "full" ? size - 1 : mode == "same" ? (size - 1) / 2 : 0;
  auto out = mx::conv_general(mx::reshape(in, {1, -1, 1}, s), mx::reshape(weight, {1, -1, 1}, s),
                              {1}, {low}, {high}, {1}, {1}, 1, true, s);
  return mx::reshape(out, {-1}, s);
}

}  // namespace

void add_convolution_ops(OpTable& table) {
  const char* kForward[] = {"conv1d", "conv2d", "conv3d"};
  const char* kTransposed[] = {"conv_transpose1d", "conv_transpose2d", "conv_transpose3d"};
  for (size_t n = 1; n <= 3; ++n) {
    table.add1(kForward[n - 1], [n](const OpCall& call) { return conv(call, n); });
    table.add1(kTransposed[n - 1], [n](const OpCall& call) { return conv_transpose(call, n); });
  }
  table.add1("conv_general", conv_general);
  table.add1("convolve", convolve);
}

}  // namespace davit
