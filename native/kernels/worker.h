// One thread's part of a run: its registers, and the instructions on a tile.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "kernels/execution.h"

namespace davit::kernels {

class Worker {
 public:
  // `memory` has as many bytes as the execution's scratch.
  Worker(const Execution& execution, std::span<const void* const> inputs,
         std::span<void* const> outputs, std::byte* memory);

  // Reads the inputs that are the same for all tiles, which the constructor has done once.
  void load_same();
  void run(const Tile& tile);

 private:
  size_t count(bool wide, const Tile& tile) const;
  size_t first(bool wide, const Tile& tile) const;
  std::byte* memory_of(size_t output, const Tile& tile) const;
  void load(size_t input, const Tile& tile);
  void steps(const Tile& tile);
  void store(size_t output, const Tile& tile);

  const Execution& of_;
  const Program& program_;
  std::span<const void* const> inputs_;
  std::span<void* const> outputs_;
  std::vector<void*> at_;  // where values lie, by value
  std::byte* halves_;
};

}  // namespace davit::kernels
