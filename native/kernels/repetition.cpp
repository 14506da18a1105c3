#include "kernels/repetition.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace davit::kernels {

namespace {

std::byte* allocate(size_t bytes) {
  size_t size = quotient_up(std::max(bytes, size_t{1}), kAlignment) * kAlignment;
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(kAlignment, size));
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void Repetition::Free::operator()(std::byte* memory) const { std::free(memory); }

Repetition::Repetition(std::shared_ptr<const Execution> execution, std::vector<const void*> inputs,
                       std::vector<void*> outputs)
    : execution_(std::move(execution)),
      inputs_(std::move(inputs)),
      outputs_(std::move(outputs)),
      memory_(allocate(execution_->scratch_bytes())),
      worker_(*execution_, inputs_, outputs_, memory_.get()) {
  for (size_t i = 0; i < execution_->tiles(); ++i) tiles_.push_back(execution_->tile(i));
}

void Repetition::run() {
  worker_.load_same();
  for (const auto& tile : tiles_) worker_.run(tile);
}

}  // namespace davit::kernels
