// Convolutions: channels last, weights as [output channels, ..., input channels].
#include <algorithm>
#include <cstdint>
#include <limits>

#include "ops/guards.h"

namespace davit {

namespace {

// A list of one number for each of `n` axes: as given, or one for all.
std::vector<int> per_axis(const OpCall& call, const char* name, size_t n) {
  auto given = call.integers(name);
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

// Whether MLX's gradients have other shapes than the operands: of an input that is spread out,
// where the stride or the padding beyond the kernel leaves some of it out.
bool has_wrong_gradient(const Steps& steps, const mx::array& weight, const std::vector<int>& low,
                        const std::vector<int>& high) {
  bool spread = false, left_out = false;
  for (size_t i = 0; i < steps.stride.size(); ++i) {
    int64_t most = int64_t{steps.kernel_dilation[i]} * (weight.shape(static_cast<int>(i) + 1) - 1);
    spread = spread || steps.input_dilation[i] > 1;
    left_out = left_out || steps.stride[i] > 1 || low[i] > most || high[i] > most;
  }
  return spread && left_out;
}

// The input with zeros between its places.
mx::array spread_out(const mx::array& in, const std::vector<int>& dilation, mx::Stream s) {
  auto shape = in.shape();
  mx::Shape strides(shape.size(), 1);
  for (size_t i = 0; i < dilation.size(); ++i) {
    int axis = static_cast<int>(i) + 1;
    strides[axis] = dilation[i];
    int64_t size = 1 + int64_t{dilation[i]} * (shape[axis] - 1);
    if (size > std::numeric_limits<int>::max()) {
      throw OpError("value_too_large", "an input spread out to " + std::to_string(size));
    }
    if (shape[axis] > 0) shape[axis] = static_cast<int>(size);
  }
  mx::Shape start(shape.size(), 0);
  return mx::slice_update(mx::zeros(shape, in.dtype(), s), in, start, shape, strides, s);
}

// Convolves, unless there is nothing to sum up.
mx::array convolve_any(const OpCall& call, Steps steps, const std::vector<int>& low,
                       const std::vector<int>& high, bool flip) {
  auto s = call.stream();
  auto in = call[0], weight = call[1];
  shorten(steps, in, weight, low, high);
  bool nothing = in.shape(-1) == 0 || weight.size() == 0;
  if (call.differentiated() && has_wrong_gradient(steps, weight, low, high)) {
    in = spread_out(in, steps.input_dilation, s);
    steps.input_dilation.assign(steps.input_dilation.size(), 1);
  }
  auto out = mx::conv_general(in, weight, steps.stride, low, high, steps.kernel_dilation,
                              steps.input_dilation, call.integer("groups"), flip, s);
  return nothing || out.size() == 0 ? zeros_for(out, s) : out;
}

mx::array conv(const OpCall& call, size_t n) {
  auto padding = per_axis(call, "padding", n);
  Steps steps{per_axis(call, "stride", n), per_axis(call, "dilation", n), std::vector<int>(n, 1)};
  return convolve_any(call, steps, padding, padding, false);
}

// The gradient of a convolution by its input, as MLX defines it: the stride spreads the input out.
mx::array conv_transpose(const OpCall& call, size_t n) {
  auto padding = per_axis(call, "padding", n);
  auto dilation = per_axis(call, "dilation", n);
  auto extra = per_axis(call, "output_padding", n);
  std::vector<int> low(n), high(n);
  for (size_t i = 0; i < n; ++i) {
    low[i] = dilation[i] * (call[1].shape(static_cast<int>(i) + 1) - 1) - padding[i];
    high[i] = low[i] + extra[i];
  }
  Steps steps{std::vector<int>(n, 1), dilation, per_axis(call, "stride", n)};
  return convolve_any(call, steps, low, high, true);
}

mx::array conv_general(const OpCall& call) {
  size_t n = call[0].ndim() - 2;
  Steps steps{per_axis(call, "stride", n), per_axis(call, "kernel_dilation", n),
              per_axis(call, "input_dilation", n)};
  return convolve_any(call, steps, per_axis(call, "padding_lo", n), per_axis(call, "padding_hi", n),
                      call.flag("flip"));
}

// Of two vectors, as in signal processing: the shorter one is reversed and slides over the other.
mx::array convolve(const OpCall& call) {
  auto s = call.stream();
  auto mode = call.text("mode");
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
