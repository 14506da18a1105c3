// Straight programs over the elements of tensors, done block by block so that what passes between
// instructions stays in the cache.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/instructions.h"

namespace davit::kernels {

// A wide value has an element for each place of an iteration space, a narrow one has one for all of
// them that differ only along dimensions that are reduced.
enum class Extent : uint8_t { wide, narrow };

struct Value {
  Type type;
  Extent extent;
};

// One instruction. Operands are indices of values; -1 where there is none.
struct Step {
  Kernel kernel = nullptr;  // between values of one extent
  RowKernel row_kernel =
      nullptr;           // a reduction of columns, or the repetition of a number in all of them
  bool of_parts = true;  // a reduction whose results of parts can be reduced like numbers
  int a = -1;
  int b = -1;
  int c = -1;
  int out = -1;
  double immediate = 0;
  Kernel round = nullptr;  // what brings the result to half precision
};

// Values that come from memory or go there.
struct Port {
  int value;
  std::optional<Half> half;
};

struct Program {
  std::vector<Value> values;  // inputs first, then the result of each step
  std::vector<Port> inputs;
  std::vector<Step> steps;
  std::vector<Port> outputs;
  double cost = 0;  // nanoseconds for an element, roughly

  bool has_rows() const;
  // Whether columns may be done in parts: nothing of their reductions is used in the program.
  bool rows_divide() const;
  bool is_wide(const Port& port) const { return values[port.value].extent == Extent::wide; }
};

// Bytes that a port's element takes in memory.
size_t item_bytes(const Program& program, const Port& port);

// The most elements of a wide value that a program with rows that do not divide can have in a tile.
size_t largest_tile(const Program& program);

// Whether an output may take the memory of an input: nobody reads the input after the output is
// written.
bool may_overwrite(const Program& program, size_t input, size_t output);

}  // namespace davit::kernels
