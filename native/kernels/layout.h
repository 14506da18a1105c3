// Walks through memory in the order of a tensor's elements.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/program.h"

namespace davit::kernels {

// Without dimensions of size 1, and with dimensions joined that one stride steps through.
Layout collapsed(const Layout& layout);

// Of a collapsed layout: elements lie one after the other.
bool is_dense(const Layout& layout);
// Of a collapsed layout: all elements are the same one.
bool is_single(const Layout& layout);

// Copies elements `first` to `first + count`, counted row by row, one after the other.
void gather(const Layout& layout, const void* data, size_t item, size_t first, size_t count,
            void* out);

}  // namespace davit::kernels
