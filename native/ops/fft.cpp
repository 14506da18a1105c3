// Fourier transforms. MLX computes them in float32 and complex64.
#include "ops/guards.h"

namespace davit {

namespace {

using Transform = mx::array (*)(const mx::array&, const mx::Shape&, const std::vector<int>&,
                                mx::fft::FFTNorm, mx::StreamOrDevice);
using Shift = mx::array (*)(const mx::array&, const std::vector<int>&, mx::StreamOrDevice);
using Frequencies = mx::array (*)(int, double, mx::StreamOrDevice);

struct TransformRow {
  const char* name;
  Transform op;
  // Whether it returns real values from half of a spectrum.
  bool to_real;
};

const TransformRow kTransforms[] = {
    {"fft", mx::fft::fftn, false},
    {"ifft", mx::fft::ifftn, false},
    {"rfft", mx::fft::rfftn, false},
    {"irfft", mx::fft::irfftn, true},
};

mx::fft::FFTNorm norm(const OpCall& call) {
  auto name = call.text("norm");
  if (name == "ortho") return mx::fft::FFTNorm::Ortho;
  if (name == "forward") return mx::fft::FFTNorm::Forward;
  return mx::fft::FFTNorm::Backward;
}

// The sizes of the transformed axes: as they are, or twice what is there of half a spectrum.
mx::Shape default_sizes(const mx::array& a, const std::vector<int>& axes, bool to_real) {
  mx::Shape sizes;
  for (int axis : axes) sizes.push_back(a.shape(axis));
  if (to_real && !sizes.empty()) sizes.back() = 2 * (sizes.back() - 1);
  return sizes;
}

// irfftn to an odd size, whose jvp in MLX has one element less. The elements of half a spectrum
// from the second one on stand for two each, so that the real part of a transform to complex
// numbers is the result.
mx::array differentiable_irfftn(const mx::array& half, const mx::Shape& sizes,
                                const std::vector<int>& axes, mx::fft::FFTNorm norm, mx::Stream s) {
  int axis = normal_axis(axes.back(), half);
  int size = sizes.back();
  int count = size / 2 + 1;
  mx::Shape start(half.ndim(), 0), stop = half.shape(), wide(half.ndim(), 1);
  stop[axis] = count;
  wide[axis] = size;
  auto place = mx::arange(0, size, 1, mx::int32, s);
  auto weight = mx::where(mx::equal(place, mx::array(0), s), mx::array(1.0f), mx::array(2.0f), s);
  auto in = mx::astype(mx::slice(half, start, stop, s), mx::complex64, s);
  in = mx::pad(in, {axis}, {0}, {size - count}, mx::array(0, mx::complex64), "constant", s);
  in = mx::multiply(in, mx::reshape(weight, wide, s), s);
  return mx::real(mx::fft::ifftn(in, sizes, axes, norm, s), s);
}

mx::array transform(const OpCall& call, const TransformRow& row, const std::vector<int>& axes,
                    const std::optional<mx::Shape>& given) {
  const auto& a = call[0];
  auto s = call.stream();
  auto sizes = given.value_or(default_sizes(a, axes, row.to_real));
  // MLX pads on the default stream: what is too short is padded here.
  mx::Shape none(axes.size(), 0), missing(axes.size(), 0);
  bool pads = false;
  for (size_t i = 0; i < std::min<size_t>(axes.size(), sizes.size()); ++i) {
    bool half = row.to_real && i + 1 == axes.size();
    missing[i] = std::max((half ? sizes[i] / 2 + 1 : sizes[i]) - a.shape(axes[i]), 0);
    pads = pads || missing[i] > 0;
  }
  auto in = pads ? mx::pad(a, axes, none, missing, mx::array(0, a.dtype()), "constant", s) : a;
  if (call.differentiated() && row.to_real && !sizes.empty() && sizes.back() % 2 == 1) {
    return unless_empty(differentiable_irfftn(in, sizes, axes, norm(call), s), s);
  }
  auto out = row.op(in, sizes, axes, norm(call), s);
  return unless_empty(out, s);
}

std::optional<mx::Shape> sizes_attribute(const OpCall& call) {
  return call.has("s") ? std::optional(call.shape("s")) : std::nullopt;
}

template <Shift op>
mx::array shift(const OpCall& call) {
  auto axes = axes_or_all(call);
  return op(call[0], axes, call.stream());
}

template <Frequencies op>
mx::array frequencies(const OpCall& call) {
  return op(call.integer("n"), call.number("d"), call.stream());
}

std::optional<bool> optional_flag(const OpCall& call, const char* name) {
  return call.has(name) ? std::optional<bool>(call.flag(name)) : std::nullopt;
}

mx::array stft(const OpCall& call) {
  return mx::fft::stft(call[0], call.integer("n_fft"), call.optional_integer("hop_length"),
                       call.optional_integer("win_length"), call.optional(1), call.flag("center"),
                       call.text("pad_mode"), norm(call), optional_flag(call, "onesided"),
                       call.stream());
}

mx::array istft(const OpCall& call) {
  return mx::fft::istft(
      call[0], call.optional_integer("n_fft"), call.optional_integer("hop_length"),
      call.optional_integer("win_length"), call.optional(1), call.flag("center"), norm(call),
      optional_flag(call, "onesided"), call.optional_integer("length"), call.stream());
}

}  // namespace

void add_fft_ops(OpTable& table) {
  for (const auto& row : kTransforms) {
    auto name = std::string("fft.") + row.name;
    table.add1(name, [&row](const OpCall& call) {
      auto n = call.optional_integer("n");
      auto sizes = n ? std::optional(mx::Shape{*n}) : std::nullopt;
      return transform(call, row, {call.integer("axis")}, sizes);
    });
    table.add1(name + "2", [&row](const OpCall& call) {
      auto axes = call.integers("axes");
      return transform(call, row, axes, sizes_attribute(call));
    });
    table.add1(name + "n", [&row](const OpCall& call) {
      auto axes = axes_or_all(call);
      return transform(call, row, axes, sizes_attribute(call));
    });
  }
  table.add1("fft.fftshift", shift<mx::fft::fftshift>);
  table.add1("fft.ifftshift", shift<mx::fft::ifftshift>);
  table.add1("fft.fftfreq", frequencies<mx::fft::fftfreq>);
  table.add1("fft.rfftfreq", frequencies<mx::fft::rfftfreq>);
  table.add1("fft.stft", stft);
  table.add1("fft.istft", istft);
}

}  // namespace davit
