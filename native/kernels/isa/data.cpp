// The loops of native/kernels/data for one instruction set; see instructions.cpp for what may not
// be used here.
#include "kernels/data/loops.h"

namespace davit::kernels {
namespace {

inline uint32_t rotated(uint32_t x, int bits) { return (x << bits) | (x >> (32 - bits)); }

// Threefry-2x32 with 20 rounds (Salmon and others, "Parallel random numbers: as easy as 1, 2, 3").
void random(uint32_t key, uint32_t other_key, uint32_t first, uint32_t second, size_t count,
            uint32_t* out, uint32_t* other_out) {
  const uint32_t keys[3] = {key, other_key, key ^ other_key ^ 0x1BD11BDA};
  for (size_t i = 0; i < count; ++i) {
    uint32_t x = first + static_cast<uint32_t>(i) + keys[0];
    uint32_t y = second + static_cast<uint32_t>(i) + keys[1];
    // Written out, so that the loop over counters is the only one.
    auto four = [&](int a, int b, int c, int d) {
      x += y, y = rotated(y, a) ^ x;
      x += y, y = rotated(y, b) ^ x;
      x += y, y = rotated(y, c) ^ x;
      x += y, y = rotated(y, d) ^ x;
    };
    four(13, 15, 26, 6);
    x += keys[1], y += keys[2] + 1;
    four(17, 29, 16, 24);
    x += keys[2], y += keys[0] + 2;
    four(13, 15, 26, 6);
    x += keys[0], y += keys[1] + 3;
    four(17, 29, 16, 24);
    x += keys[1], y += keys[2] + 4;
    four(13, 15, 26, 6);
    out[i] = x + keys[2];
    other_out[i] = y + keys[0] + 5;
  }
}

void taps(const float* const* x, const float* const* w, size_t count_of_taps, size_t count,
          float* to) {
  constexpr size_t kLanes = 32;
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    float sums[kLanes] = {};
    for (size_t tap = 0; tap < count_of_taps; ++tap) {
      const float* a = x[tap] + i;
      const float* b = w[tap] + i;
      for (size_t lane = 0; lane < kLanes; ++lane) sums[lane] += a[lane] * b[lane];
    }
    for (size_t lane = 0; lane < kLanes; ++lane) to[i + lane] = sums[lane];
  }
  for (; i < count; ++i) {
    float sum = 0;
    for (size_t tap = 0; tap < count_of_taps; ++tap) sum += x[tap][i] * w[tap][i];
    to[i] = sum;
  }
}

void add(const float* from, size_t count, float* to) {
  for (size_t i = 0; i < count; ++i) to[i] += from[i];
}

}  // namespace

#define DAVIT_JOINED(a, b) a##b
#define DAVIT_NAMED(a, b) DAVIT_JOINED(a, b)

extern const DataLoops* DAVIT_NAMED(data_, DAVIT_ISA)();
const DataLoops* DAVIT_NAMED(data_, DAVIT_ISA)() {
  static const DataLoops table{random, taps, add};
  return &table;
}

}  // namespace davit::kernels
