// Products of rows in fixed point with packed integers: their loops, compiled once for each
// instruction set, and the memory of the rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include "kernels/products/loops.h"

namespace davit::kernels {

// A row in fixed point. What 32 bits of a packed row are multiplied with is a lane, with a scale of
// its own: x = scale * (d2 * 2^16 + d1 * 2^8 + d0), but for at most half of the scale.
struct FixedRow {
  int8_t* digits;    // in the order in which dots() reads them
  float* scales;     // of the lanes
  int32_t* centres;  // of the lanes: the products of their numbers with the centre of packed ones
  float* sums;       // of the elements of each group
};
// There is room for so many lanes and groups or a multiple, and zeros behind the last.
constexpr size_t kLanes = 16;
constexpr size_t kDigits = 3;

struct FixedLoops {
  // Returns false where the row has elements that are too great or too small, or not finite.
  bool (*fix)(const float* row, size_t depth, size_t group, const FixedRow& to);
  // Products with `count` packed columns one after the other, whose scales and biases are of a
  // kind. Behind the first `inner` columns, kReadBehind bytes may be read. Writes a multiple of
  // kLanes sums.
  void (*dots[kReals])(const FixedRow& row, const uint8_t* packed, const void* scales,
                       const void* biases, size_t depth, size_t count, size_t inner, float* sums);
};
constexpr size_t kReadBehind = 64;

// Null where there are none for the packing.
const FixedLoops* fixed_loops(const Packing& packing);

// Rows of one length.
class FixedRows {
 public:
  // Null where one of the rows, which are `stride` apart, can't be in fixed point.
  static std::unique_ptr<FixedRows> of(const float* rows, size_t stride, size_t count, size_t depth,
                                       const Packing& packing, const FixedLoops& loops);

  FixedRow row(size_t number) const;

 private:
  FixedRows(size_t count, size_t depth, const Packing& packing);

  struct Free {
    void operator()(std::byte* memory) const { ::operator delete[](memory, std::align_val_t{64}); }
  };

  size_t lanes_;
  size_t digits_;  // of a row
  size_t groups_;
  size_t bytes_;  // of a row
  std::unique_ptr<std::byte, Free> memory_;
};

}  // namespace davit::kernels
