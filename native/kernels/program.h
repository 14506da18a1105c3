// Straight programs over the elements of tensors, done block by block so that what passes between
// instructions stays in the cache.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/instructions.h"

namespace davit::kernels {

// A wide value has an element for each of `rows` x `columns` places, a narrow one has one for each
// row.
enum class Extent : uint8_t { wide, narrow };

struct Value {
  Type type;
  Extent extent;
};

// One instruction. Operands are indices of values; -1 where there is none.
struct Step {
  Kernel kernel = nullptr;  // between values of one extent
  RowKernel row_kernel =
      nullptr;  // a reduction of rows, or the repetition of a number along its row
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
  // Whether rows may be done in pieces: nothing of a row's reductions is used in the program.
  bool rows_divide() const;
};

// How an input lies in memory, for the shape of its extent. Strides are in elements.
struct Layout {
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
};

// Bytes that a port's element takes in memory.
size_t item_bytes(const Program& program, const Port& port);

// Columns up to which a row is done at once. Longer ones are reduced in parts of so many, whatever
// the number of threads is, so that the result does not depend on that.
constexpr size_t kLongestRow = 1 << 16;

// The most columns that a program with rows that do not divide can have.
size_t largest_row(const Program& program);

// Whether an output may take the memory of an input: nobody reads the input after the output is
// written.
bool may_overwrite(const Program& program, size_t input, size_t output);

}  // namespace davit::kernels
