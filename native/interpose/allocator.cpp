#include <mlx/allocator.h>
#include <mlx/memory.h>

#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "interpose/interpose.h"

#ifdef __linux__

#include "interpose/original.h"

namespace {

std::atomic<size_t> limit{0};
std::atomic<bool> probed{false};

// An allocation this large is tried out first, so that a failure leaves MLX's accounts as they
// were.
constexpr size_t kTryBytes = 16 << 20;

mlx::core::allocator::Allocator& underlying() {
  using Function = mlx::core::allocator::Allocator& (*)();
  static auto& allocator =
      davit::interpose::original<Function>("_ZN3mlx4core9allocator9allocatorEv")();
  return allocator;
}

[[noreturn]] void refuse(size_t size, const std::string& why) {
  throw std::runtime_error("[malloc] no memory for " + std::to_string(size) + " bytes: " + why);
}

class CheckedAllocator : public mlx::core::allocator::Allocator {
 public:
  mlx::core::allocator::Buffer malloc(size_t size) override {
    probed.store(true, std::memory_order_relaxed);
    size_t most = limit.load(std::memory_order_relaxed);
    if (most > 0 && size > 0) {
      size_t active = mlx::core::get_active_memory();
      if (size > most || active > most - size) {
        refuse(size, std::to_string(active) + " are in use and the memory limit is " +
                         std::to_string(most));
      }
    }
    if (size >= kTryBytes) {
      void* tried = std::malloc(size);
      if (tried == nullptr) refuse(size, "the system has none");
      std::free(tried);
    }
    auto buffer = underlying().malloc(size);
    if (buffer.ptr() == nullptr) refuse(size, "the system has none");
    return buffer;
  }
  void free(mlx::core::allocator::Buffer buffer) override { underlying().free(buffer); }
  size_t size(mlx::core::allocator::Buffer buffer) const override {
    return underlying().size(buffer);
  }
  mlx::core::allocator::Buffer make_buffer(void* ptr, size_t size) override {
    return underlying().make_buffer(ptr, size);
  }
  void release(mlx::core::allocator::Buffer buffer) override { underlying().release(buffer); }
};

}  // namespace

namespace mlx::core::allocator {

Allocator& allocator() {
  static auto* checked = new CheckedAllocator;
  return *checked;
}

}  // namespace mlx::core::allocator

namespace davit::interpose {

bool limit_allocations(size_t bytes) {
  limit = bytes;
  probed = false;
  // An allocation made by libmlx, not by us.
  mlx::core::array(0.0f);
  return probed;
}

}  // namespace davit::interpose

#else

namespace davit::interpose {
bool limit_allocations(size_t) { return false; }
}  // namespace davit::interpose

#endif
