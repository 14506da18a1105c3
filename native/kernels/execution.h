// Runs programs, block by block, on one or several threads.
#pragma once

#include <span>
#include <vector>

#include "kernels/places.h"
#include "kernels/program.h"

namespace davit::kernels {

// The places of a program that are done at a time: elements of wide values, and rows of narrow
// ones.
struct Block {
  size_t first_wide;
  size_t wide;
  size_t first_row;
  size_t rows;
};

// What all runs of a program have in common whose inputs lie in memory alike.
class Execution {
 public:
  // `layouts` are those of the inputs. The program stays where it is as long as this lives.
  Execution(const Program& program, std::span<const Layout> layouts, size_t rows, size_t columns);

  // Computes the outputs, which lie row by row without gaps. An output may be the memory of an
  // input of the same layout and item size, where may_overwrite() says so.
  void run(std::span<const void* const> inputs, std::span<void* const> outputs) const;

 private:
  class Worker;

  template <typename BlockAt>
  void run_blocks(std::span<const void* const> inputs, std::span<void* const> outputs,
                  size_t blocks, BlockAt&& block_at) const;
  void run_parts(std::span<const void* const> inputs, std::span<void* const> outputs) const;

  const Program& program_;
  const size_t rows_;
  const size_t columns_;
  std::vector<Layout> layouts_;  // collapsed
  std::vector<bool> dense_;
  std::vector<bool> single_;
  std::vector<bool> in_memory_;  // values that need no place
  Places places_;
  size_t half_bytes_ = 0;
  size_t most_wide_ = 0;
  size_t most_rows_ = 0;
  double work_;  // nanoseconds, roughly
};

}  // namespace davit::kernels
