// Where the values of a program lie while it runs.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/program.h"
#include "kernels/scratch.h"

namespace davit::kernels {

// Where the values of a program that are neither read from nor written to memory lie: those that
// are not needed at the same time share a place.
struct Places {
  std::vector<size_t> offset;  // by value; meaningless for those that are in memory
  size_t bytes = 0;
};

// For blocks of so many elements of wide values and rows of narrow ones. `in_memory` says, by
// value, which need no place.
Places place(const Program& program, const std::vector<bool>& in_memory, size_t wide,
             size_t narrow);

}  // namespace davit::kernels
