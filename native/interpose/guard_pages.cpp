#include "interpose/guard_pages.h"

#ifdef __linux__

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace davit::interpose {

namespace {

// Enough for some hundred million small buffers; addresses alone cost nothing.
constexpr size_t kRange = size_t{1} << 42;

}  // namespace

GuardPages::GuardPages() : page_(static_cast<size_t>(::sysconf(_SC_PAGESIZE))) {
  void* range =
      ::mmap(nullptr, kRange, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) throw std::runtime_error("no addresses for guard pages");
  range_ = static_cast<char*>(range);
}

void* GuardPages::take(size_t size, void* shadow, uint8_t pattern) {
  if (size > kRange / 2) return nullptr;
  // The page behind stays closed.
  size_t open = (size + sizeof(Head) + page_ - 1) / page_ * page_;
  size_t at = used_.fetch_add(open + page_);
  if (at > kRange - open - page_) return nullptr;
  char* begin = range_ + at;
  if (::mprotect(begin, open, PROT_READ | PROT_WRITE) != 0) return nullptr;
  std::memset(begin, pattern, open);
  Head head{shadow, pattern, size};
  // The end is exact, so that nothing here need be aligned.
  char* bytes = begin + open - size;
  std::memcpy(bytes - sizeof(Head), &head, sizeof(Head));
  return bytes - sizeof(size_t);
}

bool GuardPages::owns(const void* buffer) const {
  auto* at = static_cast<const char*>(buffer);
  return at >= range_ && at < range_ + kRange;
}

GuardPages::Head GuardPages::head_of(const void* buffer) {
  Head head{};
  std::memcpy(&head, static_cast<const char*>(buffer) + sizeof(size_t) - sizeof(Head),
              sizeof(Head));
  return head;
}

size_t GuardPages::size(const void* buffer) const { return head_of(buffer).size; }

void* GuardPages::give_back(void* buffer) {
  Head head = head_of(buffer);
  char* bytes = static_cast<char*>(buffer) + sizeof(size_t);
  size_t open = (head.size + sizeof(Head) + page_ - 1) / page_ * page_;
  char* begin = bytes + head.size - open;
  char* before = bytes - sizeof(Head);
  bool kept = std::all_of(begin, before,
                          [&](char byte) { return static_cast<uint8_t>(byte) == head.pattern; });
  if (!kept) {
    std::fprintf(stderr, "davit: bytes before a buffer of %zu bytes were written\n", head.size);
    std::abort();
  }
  ::madvise(begin, open, MADV_DONTNEED);
  ::mprotect(begin, open, PROT_NONE);
  return head.shadow;
}

}  // namespace davit::interpose

#endif
