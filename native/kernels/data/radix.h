// Sorts unsigned keys by their bytes, in an order that keeps equal ones as they are.
#pragma once

#include <cstddef>
#include <cstdint>

namespace davit::kernels {

// Sorts by the 32 bits from `shift` on. Uses the memory of `spare`, which has as many elements;
// returns which of the two holds the result.
uint32_t* radix_sort(uint32_t* keys, uint32_t* spare, size_t count, int shift);
uint64_t* radix_sort(uint64_t* keys, uint64_t* spare, size_t count, int shift);

}  // namespace davit::kernels
