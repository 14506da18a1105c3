// Random bits, the same as MLX's: the words of a key are those of two counters, the second of which
// begins in the middle.
#include <mlx/allocator.h>

#include <algorithm>
#include <cstring>

#include "kernels/data/primitives.h"
#include "kernels/execution.h"
#include "kernels/instructions.h"
#include "kernels/share.h"
#include "kernels/thresholds.h"

namespace davit::kernels {

namespace mx = mlx::core;

namespace {

// Nanoseconds of a pair of words, roughly, and pairs that a thread makes at a time.
constexpr double kPair = 2;
constexpr size_t kPairs = 4096;

void fill(const uint32_t* key, uint32_t* words, size_t count) {
  size_t pairs = count / 2;
  size_t odd = count % 2;
  auto* random = instructions()->data->random;
  auto make = [&](size_t first, size_t second, size_t length, uint32_t* a, uint32_t* b) {
    random(key[0], key[1], static_cast<uint32_t>(first), static_cast<uint32_t>(second), length, a,
           b);
  };
  share_work(kPair * static_cast<double>(pairs), quotient_up(pairs, kPairs),
             [&](size_t begin, size_t end) {
               size_t first = begin * kPairs;
               size_t length = std::min(end * kPairs, pairs) - first;
               size_t second = pairs + odd + first;
               make(first, second, length, words + first, words + second);
             });
  uint32_t unused;
  if (odd != 0) make(pairs, 0, 1, words + pairs, &unused);
}

}  // namespace

bool random_bits(mx::Primitive&, const std::vector<mx::array>& inputs, mx::array& output) {
  const auto& keys = inputs[0];
  size_t number = keys.size() / 2;
  size_t bytes = output.nbytes() / std::max(number, size_t{1});
  if (bytes < kLeastRandom || bytes % sizeof(uint32_t) != 0) return false;
  if (!keys.flags().row_contiguous || keys.dtype() != mx::uint32) return false;
  output.set_data(mx::allocator::malloc(output.nbytes()));
  const auto* key = keys.data<uint32_t>();
  auto* to = output.data<std::byte>();
  for (size_t i = 0; i < number; ++i) {
    fill(key + 2 * i, reinterpret_cast<uint32_t*>(to + i * bytes), bytes / sizeof(uint32_t));
  }
  return true;
}

}  // namespace davit::kernels
