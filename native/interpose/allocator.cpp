#include <mlx/allocator.h>
#include <mlx/memory.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "interpose/interpose.h"

#ifdef __linux__

#include <unistd.h>

#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "interpose/guard_pages.h"
#include "interpose/original.h"

namespace {

// The byte that fresh memory holds under guard pages, where DAVIT_POISON does not say: as a float a
// large negative number, as an index far out of range.
constexpr uint8_t kPattern = 0xc5;

// The checks of memory that the environment asks for, in tests.
struct Checks {
  bool guard_pages = false;
  std::optional<uint8_t> poison;

  static Checks from_environment() {
    Checks checks;
    const char* guards = std::getenv("DAVIT_GUARD_PAGES");
    checks.guard_pages = guards != nullptr && std::string(guards) != "0";
    if (const char* byte = std::getenv("DAVIT_POISON")) {
      char* end = nullptr;
      unsigned long value = std::strtoul(byte, &end, 0);
      if (*byte < '0' || *byte > '9' || *end != '\0' || value > 255) {
        throw std::invalid_argument("DAVIT_POISON is \"" + std::string(byte) +
                                    "\" (expected a byte, 0 to 255)");
      }
      checks.poison = static_cast<uint8_t>(value);
    }
    return checks;
  }
};

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

// Why so many bytes cannot be had; empty where they can.
std::string shortage(size_t size) {
  size_t most = limit.load(std::memory_order_relaxed);
  if (most > 0 && size > 0) {
    size_t active = mlx::core::get_active_memory();
    if (size > most || active > most - size) {
      return std::to_string(active) + " are in use and the memory limit is " + std::to_string(most);
    }
  }
  if (size >= kTryBytes) {
    void* tried = std::malloc(size);
    if (tried == nullptr) return "the system has none";
    std::free(tried);
  }
  return {};
}

std::function<void()>& thread_relief() {
  static thread_local std::function<void()> relief;
  return relief;
}

std::mutex others_mutex;
std::function<void()> others_relief;

void relieve() {
  auto relief = thread_relief();
  if (!relief) {
    std::lock_guard lock(others_mutex);
    relief = others_relief;
  }
  if (relief) relief();
}

class CheckedAllocator : public mlx::core::allocator::Allocator {
 public:
  CheckedAllocator() {
    try {
      auto checks = Checks::from_environment();
      poison_ = checks.poison;
      if (checks.guard_pages) guards_ = std::make_unique<davit::interpose::GuardPages>();
    } catch (const std::exception&) {
      // allocation_checks() throws it when an engine is made.
    }
  }

  mlx::core::allocator::Buffer malloc(size_t size) override {
    probed.store(true, std::memory_order_relaxed);
    auto why = shortage(size);
    if (!why.empty()) {
      relieve();
      why = shortage(size);
    }
    if (!why.empty()) refuse(size, why);
    auto buffer = underlying().malloc(size);
    if (buffer.ptr() == nullptr) refuse(size, "the system has none");
    if (guards_) {
      // MLX's own buffer stays beside it, for MLX's accounts.
      void* guarded = guards_->take(size, buffer.ptr(), poison_.value_or(kPattern));
      if (guarded != nullptr) return mlx::core::allocator::Buffer{guarded};
    }
    if (poison_) std::memset(buffer.raw_ptr(), *poison_, size);
    return buffer;
  }
  void free(mlx::core::allocator::Buffer buffer) override {
    if (guarded(buffer)) buffer = mlx::core::allocator::Buffer{guards_->give_back(buffer.ptr())};
    underlying().free(buffer);
  }
  size_t size(mlx::core::allocator::Buffer buffer) const override {
    return guarded(buffer) ? guards_->size(buffer.ptr()) : underlying().size(buffer);
  }
  mlx::core::allocator::Buffer make_buffer(void* ptr, size_t size) override {
    return underlying().make_buffer(ptr, size);
  }
  void release(mlx::core::allocator::Buffer buffer) override { underlying().release(buffer); }

 private:
  bool guarded(const mlx::core::allocator::Buffer& buffer) const {
    return guards_ && guards_->owns(buffer.ptr());
  }

  std::unique_ptr<davit::interpose::GuardPages> guards_;
  std::optional<uint8_t> poison_;
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
  limit = 0;
  probed = false;
  // An allocation made by libmlx, not by us.
  mlx::core::array(0.0f);
  limit = bytes;
  return probed;
}

void relieve_thread_by(std::function<void()> relief) { thread_relief() = std::move(relief); }

void relieve_others_by(std::function<void()> relief) {
  std::lock_guard lock(others_mutex);
  others_relief = std::move(relief);
}

AllocationChecks allocation_checks() {
  auto wanted = Checks::from_environment();
  AllocationChecks found;
  // The kernel says whether the byte behind two others can be read.
  auto probe = mlx::core::allocator::malloc(2);
  auto* bytes = static_cast<uint8_t*>(probe.buffer().raw_ptr());
  int pipe[2];
  if (wanted.guard_pages && ::pipe(pipe) == 0) {
    found.guard_pages = ::write(pipe[1], bytes + 2, 1) < 0;
    ::close(pipe[0]);
    ::close(pipe[1]);
  }
  uint8_t poison = wanted.poison.value_or(kPattern);
  if ((wanted.poison || found.guard_pages) && bytes[0] == poison && bytes[1] == poison) {
    found.poison = poison;
  }
  if (wanted.guard_pages && !found.guard_pages) {
    throw std::runtime_error("DAVIT_GUARD_PAGES is set and has no effect here");
  }
  return found;
}

}  // namespace davit::interpose

#else

namespace davit::interpose {
AllocationChecks allocation_checks() {
  if (std::getenv("DAVIT_GUARD_PAGES") != nullptr || std::getenv("DAVIT_POISON") != nullptr) {
    throw std::runtime_error("DAVIT_GUARD_PAGES and DAVIT_POISON have no effect here");
  }
  return {};
}
bool limit_allocations(size_t) { return false; }
void relieve_thread_by(std::function<void()>) {}
void relieve_others_by(std::function<void()>) {}
}  // namespace davit::interpose

#endif
