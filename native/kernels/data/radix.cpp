#include "kernels/data/radix.h"

#include <algorithm>
#include <array>
#include <utility>

#include "kernels/thresholds.h"

namespace davit::kernels {

namespace {

constexpr int kBits = 8;
constexpr size_t kBuckets = 1 << kBits;
constexpr int kDigits = 32 / kBits;

template <typename Key>
Key* sorted(Key* keys, Key* spare, size_t count, int shift) {
  // Without their places as the lower bits, equal keys cannot be told apart.
  if (count <= kFewKeys) {
    std::sort(keys, keys + count);
    return keys;
  }
  std::array<std::array<uint32_t, kBuckets>, kDigits> counts{};
  for (size_t i = 0; i < count; ++i) {
    auto bits = static_cast<uint32_t>(keys[i] >> shift);
    for (int digit = 0; digit < kDigits; ++digit) ++counts[digit][bits >> (digit * kBits) & 0xff];
  }
  for (int digit = 0; digit < kDigits; ++digit) {
    auto bucket_of = [&](Key key) {
      return static_cast<uint32_t>(key >> shift) >> (digit * kBits) & 0xff;
    };
    auto& places = counts[digit];
    if (places[bucket_of(keys[0])] == count) continue;  // all have the same
    uint32_t place = 0;
    for (auto& bucket : places) place += std::exchange(bucket, place);
    for (size_t i = 0; i < count; ++i) spare[places[bucket_of(keys[i])]++] = keys[i];
    std::swap(keys, spare);
  }
  return keys;
}

}  // namespace

uint32_t* radix_sort(uint32_t* keys, uint32_t* spare, size_t count, int shift) {
  return sorted(keys, spare, count, shift);
}

uint64_t* radix_sort(uint64_t* keys, uint64_t* spare, size_t count, int shift) {
  return sorted(keys, spare, count, shift);
}

}  // namespace davit::kernels
