// Memory for tests: each buffer ends at a page that nobody may touch, and is never used again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace davit::interpose {

// Hands out buffers from a large range of addresses, each of them once, so that a read or write
// past the end of a buffer, or of one that was freed, ends the process at the instruction that does
// it. From any thread.
class GuardPages {
 public:
  // Reserves the addresses; throws where the system has none.
  GuardPages();
  GuardPages(const GuardPages&) = delete;

  // A buffer in MLX's form (its size, then its bytes), filled with a pattern. `shadow` is what the
  // caller wants back when the buffer is freed. Null where the system has no more pages for it.
  void* take(size_t size, void* shadow, uint8_t pattern);
  // Returns whether a buffer is one of these.
  bool owns(const void* buffer) const;
  // Frees a buffer and returns its shadow; ends the process where bytes before the buffer were
  // written.
  void* give_back(void* buffer);
  // The size that was asked for.
  size_t size(const void* buffer) const;

 private:
  // The header before a buffer's bytes. MLX knows the last member.
  struct Head {
    void* shadow;
    uint8_t pattern;
    size_t size;
  };
  static Head head_of(const void* buffer);

  const size_t page_;
  char* range_;
  std::atomic<size_t> used_{0};
};

}  // namespace davit::interpose
