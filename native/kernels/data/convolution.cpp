// Convolutions of float32 that MLX computes one element at a time: those of each channel on its
// own, and those of inputs with gaps (transposed ones, and derivatives of those with strides).
#include <mlx/allocator.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "kernels/data/primitives.h"
#include "kernels/instructions.h"
#include "kernels/share.h"
#include "kernels/thresholds.h"

namespace davit::kernels {

namespace mx = mlx::core;

namespace {

// Nanoseconds of a multiplication, and of an addition of what a product made, roughly.
constexpr double kMultiplied = 0.1;
constexpr double kAdded = 0.2;

// One dimension of an image.
struct Line {
  int64_t input;
  int64_t output;
  int64_t taps;
  int64_t stride;
  int64_t padding;
  int64_t dilation;  // of taps
  int64_t gap;       // of the input: how far apart its elements are
};

// A convolution over two dimensions; one over one has a first dimension of 1.
struct Images {
  Line rows;
  Line columns;
  int64_t count;
  int64_t channels;
  int64_t filters;
  int groups;
  bool flipped;

  int64_t taps() const { return rows.taps * columns.taps; }
  // The number of a tap among a filter's weights.
  int64_t weight(int64_t row, int64_t column) const {
    int64_t tap = row * columns.taps + column;
    return flipped ? taps() - 1 - tap : tap;
  }
};

// The input's element that a tap of an output's element reads, -1 where it is in a gap or outside.
int64_t source(const Line& line, int64_t output, int64_t tap) {
  int64_t at = output * line.stride + tap * line.dilation - line.padding;
  if (at < 0 || at % line.gap != 0) return -1;
  return at / line.gap < line.input ? at / line.gap : -1;
}

std::optional<Images> images_of(mx::Primitive& primitive, const mx::array& input,
                                const mx::array& weight, const mx::array& output) {
  if (input.dtype() != mx::float32 || weight.dtype() != mx::float32) return std::nullopt;
  if (input.ndim() != 3 && input.ndim() != 4) return std::nullopt;
  auto [strides, low, high, dilation, gaps, groups, flipped] =
      static_cast<mx::Convolution&>(primitive).state();
  auto line = [&](size_t i) {
    int axis = static_cast<int>(i) + 1;
    return Line{input.shape(axis),
                output.shape(axis),
                weight.shape(axis),
                strides[i],
                low[i],
                dilation[i],
                gaps[i]};
  };
  Line one{1, 1, 1, 1, 0, 1, 1};
  bool flat = input.ndim() == 3;
  return Images{flat ? one : line(0),
                line(flat ? 0 : 1),
                input.shape(0),
                input.shape(-1),
                output.shape(-1),
                groups,
                flipped};
}

// Weights as [taps, filters, channels of a filter] in the order of the taps.
std::vector<float> by_tap(const Images& images, const float* weights, int64_t channels) {
  std::vector<float> packed(static_cast<size_t>(images.taps() * images.filters * channels));
  auto* to = packed.data();
  for (int64_t row = 0; row < images.rows.taps; ++row) {
    for (int64_t column = 0; column < images.columns.taps; ++column) {
      int64_t tap = images.weight(row, column);
      for (int64_t filter = 0; filter < images.filters; ++filter, to += channels) {
        const float* from = weights + (filter * images.taps() + tap) * channels;
        std::copy(from, from + channels, to);
      }
    }
  }
  return packed;
}

// Each channel has a filter of its own.
void depthwise(const Images& images, const float* input, const float* weights, float* output) {
  auto packed = by_tap(images, weights, 1);
  auto channels = static_cast<size_t>(images.channels);
  auto lines = static_cast<size_t>(images.count * images.rows.output);
  double work = kMultiplied * static_cast<double>(lines) *
                static_cast<double>(images.columns.output * images.channels * images.taps());
  share_work(work, lines, [&](size_t begin, size_t end) {
    std::vector<const float*> values, factors;
    for (size_t line = begin; line < end; ++line) {
      auto image = static_cast<int64_t>(line) / images.rows.output;
      auto row = static_cast<int64_t>(line) % images.rows.output;
      for (int64_t column = 0; column < images.columns.output; ++column) {
        values.clear();
        factors.clear();
        for (int64_t down = 0; down < images.rows.taps; ++down) {
          int64_t y = source(images.rows, row, down);
          if (y < 0) continue;
          for (int64_t across = 0; across < images.columns.taps; ++across) {
            int64_t x = source(images.columns, column, across);
            if (x < 0) continue;
            int64_t pixel = (image * images.rows.input + y) * images.columns.input + x;
            values.push_back(input + pixel * images.channels);
            factors.push_back(packed.data() +
                              (down * images.columns.taps + across) * images.channels);
          }
        }
        auto* to = output +
                   (static_cast<int64_t>(line) * images.columns.output + column) * images.channels;
        instructions()->data->taps(values.data(), factors.data(), values.size(), channels, to);
      }
    }
  });
}

// One product of all pixels with all taps, and then for each output the sum of those that meet in
// it.
void with_gaps(const Images& images, const mx::array& input, const float* weights, float* output,
               mx::Stream stream) {
  auto packed = by_tap(images, weights, images.channels);
  auto width = static_cast<int>(images.taps() * images.filters);
  auto channels = static_cast<int>(images.channels);
  auto pixels = static_cast<int>(images.count * images.rows.input * images.columns.input);
  mx::array factors({channels, width}, mx::float32, nullptr, {});
  factors.set_data(mx::allocator::malloc(packed.size() * sizeof(float)), packed.size(),
                   {1, channels}, {true, false, true});
  std::memcpy(factors.data<float>(), packed.data(), packed.size() * sizeof(float));
  mx::array rows({pixels, channels}, mx::float32, nullptr, {});
  rows.copy_shared_buffer(input, {channels, 1}, {true, true, false}, input.size());
  std::vector<mx::array> products{mx::array({pixels, width}, mx::float32, nullptr, {})};
  // Its primitive is all that is wanted of this one.
  mx::matmul(rows, factors, stream).primitive().eval_cpu({rows, factors}, products);
  const float* product = products[0].data<float>();

  auto filters = static_cast<size_t>(images.filters);
  auto lines = static_cast<size_t>(images.count * images.rows.output);
  double work = kAdded * static_cast<double>(products[0].size());
  share_work(work, lines, [&](size_t begin, size_t end) {
    for (size_t line = begin; line < end; ++line) {
      auto image = static_cast<int64_t>(line) / images.rows.output;
      auto row = static_cast<int64_t>(line) % images.rows.output;
      auto* to = output + static_cast<int64_t>(line) * images.columns.output * images.filters;
      std::fill_n(to, images.columns.output * images.filters, 0.0f);
      for (int64_t column = 0; column < images.columns.output; ++column, to += filters) {
        for (int64_t down = 0; down < images.rows.taps; ++down) {
          int64_t y = source(images.rows, row, down);
          if (y < 0) continue;
          for (int64_t across = 0; across < images.columns.taps; ++across) {
            int64_t x = source(images.columns, column, across);
            if (x < 0) continue;
            int64_t pixel = (image * images.rows.input + y) * images.columns.input + x;
            int64_t tap = down * images.columns.taps + across;
            instructions()->data->add(product + (pixel * images.taps() + tap) * images.filters,
                                      filters, to);
          }
        }
      }
    }
  });
}

}  // namespace

bool convolution(mx::Primitive& original, const std::vector<mx::array>& inputs, mx::array& output) {
  const auto& input = inputs[0];
  const auto& weight = inputs[1];
  auto images = images_of(original, input, weight, output);
  if (!images || !input.flags().row_contiguous || !weight.flags().row_contiguous) return false;
  bool gaps = images->rows.gap > 1 || images->columns.gap > 1;
  bool one_each = images->groups == images->channels && images->filters == images->channels;
  if (one_each && images->channels >= static_cast<int64_t>(kLeastChannels)) {
    output.set_data(mx::allocator::malloc(output.nbytes()));
    depthwise(*images, input.data<float>(), weight.data<float>(), output.data<float>());
    return true;
  }
  double products = static_cast<double>(input.size()) / static_cast<double>(images->channels) *
                    static_cast<double>(images->taps() * images->filters);
  if (!gaps || images->groups != 1 || products > kMostProducts) return false;
  output.set_data(mx::allocator::malloc(output.nbytes()));
  with_gaps(*images, input, weight.data<float>(), output.data<float>(), original.stream());
  return true;
}

}  // namespace davit::kernels
