#include "kernels/scratch.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>

namespace davit::kernels {

namespace {

constexpr size_t kLeast = 64 << 10;

}  // namespace

std::byte* scratch(size_t bytes) {
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  static thread_local std::unique_ptr<std::byte, Free> memory;
  static thread_local size_t size = 0;
  if (size < bytes) {
    size = (std::max(bytes, kLeast) + kAlignment - 1) / kAlignment * kAlignment;
    memory.reset();
    memory.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, size)));
    if (!memory) {
      size = 0;
      throw std::bad_alloc();
    }
  }
  return memory.get();
}

}  // namespace davit::kernels
