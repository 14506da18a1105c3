#include "kernels/products/fixed.h"

#include <cstring>
#include <string_view>

#include "kernels/instructions.h"

namespace davit::kernels {

#if defined(__x86_64__)
const FixedLoops* fixed_v2(const Packing& packing);
const FixedLoops* fixed_v3(const Packing& packing);
const FixedLoops* fixed_v4(const Packing& packing);
const FixedLoops* fixed_v4_vnni(const Packing& packing);
#else
const FixedLoops* fixed_neon(const Packing& packing);
#endif

namespace {

// Those of the instruction set that was chosen.
auto chosen() {
#if defined(__x86_64__)
  std::string_view name = instructions()->name;
  if (name == "v2") return fixed_v2;
  if (name == "v3") return fixed_v3;
  return __builtin_cpu_supports("avx512vnni") ? fixed_v4_vnni : fixed_v4;
#else
  return fixed_neon;
#endif
}

size_t rounded_up(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

}  // namespace

const FixedLoops* fixed_loops(const Packing& packing) {
  static const auto loops = chosen();
  return loops(packing);
}

FixedRows::FixedRows(size_t count, size_t depth, const Packing& packing)
    : lanes_(rounded_up(packing.row_bytes(depth) / sizeof(uint32_t), kLanes)),
      digits_(lanes_ * sizeof(uint32_t) * kDigits * (8 / packing.bits)),
      groups_(rounded_up(depth / packing.group, kLanes)),
      bytes_(digits_ + (2 * lanes_ + groups_) * sizeof(float)),
      memory_(new (std::align_val_t{64}) std::byte[count * bytes_]) {
  std::memset(memory_.get(), 0, count * bytes_);
}

FixedRow FixedRows::row(size_t number) const {
  std::byte* memory = memory_.get() + number * bytes_;
  auto* scales = reinterpret_cast<float*>(memory + digits_);
  auto* centres = reinterpret_cast<int32_t*>(scales + lanes_);
  return {reinterpret_cast<int8_t*>(memory), scales, centres,
          reinterpret_cast<float*>(centres + lanes_)};
}

std::unique_ptr<FixedRows> FixedRows::of(const float* rows, size_t stride, size_t count,
                                         size_t depth, const Packing& packing,
                                         const FixedLoops& loops) {
  auto fixed = std::unique_ptr<FixedRows>(new FixedRows(count, depth, packing));
  for (size_t r = 0; r < count; ++r) {
    if (!loops.fix(rows + r * stride, depth, packing.group, fixed->row(r))) return nullptr;
  }
  return fixed;
}

}  // namespace davit::kernels
