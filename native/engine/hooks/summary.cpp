#include "engine/hooks/summary.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>

#include "engine/value.h"

namespace davit {

namespace mx = mlx::core;

namespace {

template <typename T>
double magnitude(const T& element) {
  return static_cast<double>(element);
}

double magnitude(const mx::complex64_t& element) {
  return std::hypot(static_cast<double>(element.real()), static_cast<double>(element.imag()));
}

template <typename T>
Summary summarize_elements(const T* data, size_t count, int bins) {
  Summary summary;
  summary.count = count;
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  double mean = 0;
  double squares = 0;  // of distances from the mean: Welford's recurrence
  uint64_t finite = 0;
  for (size_t i = 0; i < count; ++i) {
    double x = magnitude(data[i]);
    if (std::isnan(x)) {
      ++summary.nan;
    } else if (std::isinf(x)) {
      ++summary.inf;
    } else {
      ++finite;
      low = x < low ? x : low;
      high = x > high ? x : high;
      double distance = x - mean;
      mean += distance / static_cast<double>(finite);
      squares += distance * (x - mean);
    }
  }
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  summary.min = finite > 0 ? low : kNone;
  summary.max = finite > 0 ? high : kNone;
  summary.mean = finite > 0 ? mean : kNone;
  summary.std = finite > 0 ? std::sqrt(squares / static_cast<double>(finite)) : kNone;
  summary.histogram.assign(static_cast<size_t>(bins), 0);
  if (bins == 0 || finite == 0) return summary;
  // Halved, so that a range from -1e308 to 1e308 does not overflow.
  double half_range = high / 2 - low / 2;
  for (size_t i = 0; i < count; ++i) {
    double x = magnitude(data[i]);
    if (!std::isfinite(x)) continue;
    double part = half_range > 0 ? (x / 2 - low / 2) / half_range : 0;
    auto bin = static_cast<int64_t>(part * bins);
    ++summary.histogram[static_cast<size_t>(std::clamp<int64_t>(bin, 0, bins - 1))];
  }
  return summary;
}

}  // namespace

Summary summarize(const mx::array& array, int bins) {
  std::vector<uint8_t> rows;
  const auto* data = array.size() == 0 ? nullptr : array.data<uint8_t>();
  if (array.size() > 0 && !array.flags().row_contiguous) {
    rows.resize(array.nbytes());
    copy_rows(array, rows.data());
    data = rows.data();
  }
  auto over = [&]<typename T>(T) {
    return summarize_elements(reinterpret_cast<const T*>(data), array.size(), bins);
  };
  switch (array.dtype().val()) {
    case mx::Dtype::Val::bool_:
      return over(bool{});
    case mx::Dtype::Val::uint8:
      return over(uint8_t{});
    case mx::Dtype::Val::uint16:
      return over(uint16_t{});
    case mx::Dtype::Val::uint32:
      return over(uint32_t{});
    case mx::Dtype::Val::uint64:
      return over(uint64_t{});
    case mx::Dtype::Val::int8:
      return over(int8_t{});
    case mx::Dtype::Val::int16:
      return over(int16_t{});
    case mx::Dtype::Val::int32:
      return over(int32_t{});
    case mx::Dtype::Val::int64:
      return over(int64_t{});
    case mx::Dtype::Val::float16:
      return over(mx::float16_t{});
    case mx::Dtype::Val::bfloat16:
      return over(mx::bfloat16_t{});
    case mx::Dtype::Val::float32:
      return over(float{});
    case mx::Dtype::Val::float64:
      return over(double{});
    case mx::Dtype::Val::complex64:
      return over(mx::complex64_t{});
  }
  return {};
}

}  // namespace davit
