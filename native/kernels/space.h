// The order in which a program goes through its iteration space, and how its inputs and outputs lie
// in memory along it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace davit::kernels {

// What a program computes over. Dimensions that are reduced are columns, all others are rows.
struct Space {
  std::vector<int64_t> shape;
  std::vector<bool> reduced;
};

// How far apart neighbours along each dimension of a space are, in elements; 0 where they are the
// same one.
using Strides = std::vector<int64_t>;

// The dimensions of a space in the order of a program's registers.
struct Dimensions {
  std::vector<int64_t> outer;
  std::vector<int64_t> middle;  // those that are reduced; or the one that an input is dense along
  int64_t inner = 1;            // the last one, where that is not reduced

  size_t outers() const;
  size_t middles() const;
};

// Strides along them.
struct Walk {
  std::vector<int64_t> outer;
  std::vector<int64_t> middle;
  int64_t inner = 0;
};

// A part of a space.
struct Tile {
  size_t first_outer;
  size_t outers;
  size_t first_middle;
  size_t middles;
  size_t first_inner;
  size_t inners;
};

struct Order {
  Dimensions dimensions;
  std::vector<Walk> walks;  // by port
};

// The order for ports with these strides. Dimensions that all of them step through alike are
// joined.
Order order_of(const Space& space, const std::vector<Strides>& ports);

// Whether elements lie one after the other in the order of the dimensions; `narrow`: of those
// without the middle ones.
bool is_dense(const Dimensions& dimensions, const Walk& walk, bool narrow);
// Whether all elements are the same one.
bool is_single(const Walk& walk);

// Copies the elements of a tile, `item` bytes each, from where they lie to one after the other.
void gather(const Dimensions& dimensions, const Walk& walk, const Tile& tile, const void* data,
            size_t item, void* out);
// The other way round.
void scatter(const Dimensions& dimensions, const Walk& walk, const Tile& tile, const void* in,
             size_t item, void* data);

}  // namespace davit::kernels
