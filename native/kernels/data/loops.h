// Loops of the kernels in this folder, compiled once for each instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

namespace davit::kernels {

struct DataLoops {
  // The two words that Threefry-2x32 makes of the counters (first, second), (first + 1, second + 1)
  // and so on.
  void (*random)(uint32_t key, uint32_t other_key, uint32_t first, uint32_t second, size_t count,
                 uint32_t* out, uint32_t* other_out);
  // to[i] is the sum of x[tap][i] * w[tap][i].
  void (*taps)(const float* const* x, const float* const* w, size_t taps, size_t count, float* to);
  // to[i] += from[i]
  void (*add)(const float* from, size_t count, float* to);
};

}  // namespace davit::kernels
