// Convolutions: channels last, weights as [output channels, ..., input channels].
#include "ops/guards.h"

namespace davit {

namespace {

// A list of one number for each of `n` axes: as given, one for all, or the default.
std::vector<int> per_axis(const OpCall& call, const char* name, size_t n, int fallback) {
  auto given = call.has(name) ? call.integers(name) : std::vector<int>{fallback};
  return given.size() == 1 ? std::vector<int>(n, given[0]) : given;
}

// Convolves, unless there is nothing to sum up.
mx::array convolve_any(mx::array in, mx::array weight, const std::vector<int>& stride,
                       const std::vector<int>& low, const std::vector<int>& high,
                       const std::vector<int>& kernel_dilation,
                       const std::vector<int>& input_dilation, int groups, bool flip,
                       mx::Stream s) {
  bool nothing = in.shape(-1) == 0 || weight.size() == 0;
  auto out = mx::conv_general(in, weight, stride, low, high, kernel_dilation, input_dilation,
                              groups, flip, s);
  return nothing || out.size() == 0 ? zeros_for(out, s) : out;
}

mx::array conv(const OpCall& call, size_t n) {
  auto padding = per_axis(call, "padding", n, 0);
  return convolve_any(call[0], call[1], per_axis(call, "stride", n, 1), padding, padding,
                      per_axis(call, "dilation", n, 1), std::vector<int>(n, 1),
                      call.integer("groups", 1), false, call.stream());
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
  return convolve_any(call[0], call[1], std::vector<int>(n, 1), low, high, dilation,
                      per_axis(call, "stride", n, 1), call.integer("groups", 1), true,
                      call.stream());
}

mx::array conv_general(const OpCall& call) {
  size_t n = call[0].ndim() - 2;
  return convolve_any(call[0], call[1], per_axis(call, "stride", n, 1),
                      per_axis(call, "padding_lo", n, 0), per_axis(call, "padding_hi", n, 0),
                      per_axis(call, "kernel_dilation", n, 1),
                      per_axis(call, "input_dilation", n, 1), call.integer("groups", 1),
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
