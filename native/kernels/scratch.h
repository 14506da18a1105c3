// Memory that a thread's kernels work in.
//
// It is not counted in the engine's memory: it belongs to a thread, as its stack does, is no
// greater than kScratch but for rows that are longer, and no tensor that is freed makes it less.
// Counted, an engine without tensors would never be back at 0.
#pragma once

#include <cstddef>

namespace davit::kernels {

constexpr size_t kAlignment = 64;

// Memory of this thread, which stays what it is until the next call. Throws std::bad_alloc.
std::byte* scratch(size_t bytes);

}  // namespace davit::kernels
