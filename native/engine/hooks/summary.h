// Statistics of a tensor, for subscribers that do not want its values.
#pragma once

#include <mlx/mlx.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace davit {

// min, max, mean and std are over the finite elements, NaN where there are none; `std` is the
// population's. The histogram has equal bins from min to max. Complex elements count by magnitude.
struct Summary {
  uint64_t count = 0;
  double min = 0;
  double max = 0;
  double mean = 0;
  double std = 0;
  uint64_t nan = 0;
  uint64_t inf = 0;
  std::vector<uint64_t> histogram;
};

// Summarises an evaluated array.
Summary summarize(const mlx::core::array& array, int bins);

}  // namespace davit
