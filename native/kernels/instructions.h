// The instructions of the block interpreter: plain loops over contiguous elements, compiled once
// for each instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/data/loops.h"
#include "kernels/products/loops.h"

namespace davit::kernels {

// The types that registers hold. float16 and bfloat16 are float32 there, rounded after every
// instruction.
enum class Type : uint8_t { boolean, u8, u16, u32, u64, i8, i16, i32, i64, f32, f64 };
constexpr int kTypes = 11;

// The place of a type in the tables of instructions.
constexpr int index(Type type) { return static_cast<int>(type); }

// Bytes of an element.
constexpr size_t size_of(Type type) {
  constexpr uint8_t sizes[kTypes] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 4, 8};
  return sizes[index(type)];
}

enum class Unary : uint8_t {
  absolute,
  negative,
  sign,
  square,
  bitwise_invert,
  logical_not,
  ceil,
  floor,
  round,
  sqrt,
  rsqrt,
  exp,
  expm1,
  log,
  log2,
  log10,
  log1p,
  erf,
  sigmoid,
  sin,
  cos,
  tan,
  sinh,
  cosh,
  tanh,
  arcsin,
  arccos,
  arctan,
  arcsinh,
  arccosh,
  arctanh,
  integer_power,  // the immediate is the exponent
};
constexpr int kUnary = 32;

enum class Binary : uint8_t {
  add,
  subtract,
  multiply,
  divide,
  maximum,
  minimum,
  power,
  remainder,
  floor_divide,
  logaddexp,
  arctan2,
  bitwise_and,
  bitwise_or,
  bitwise_xor,
  left_shift,
  right_shift,
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  equal_or_both_nan,
};
constexpr int kBinary = 23;

enum class Reduction : uint8_t { sum, product, max, min, all, any };
constexpr int kReductions = 6;

// The column of the greatest or the least number, the first of several; that of the first NaN where
// there is one.
enum class Search : uint8_t { argmax, argmin };
constexpr int kSearches = 2;

// float16 and bfloat16, as they lie in memory.
enum class Half : uint8_t { f16, bf16 };

// out[i] = f(a[i], b[i], c[i]); an operand may be `out` itself, and those that an instruction does
// not have are not read.
using Kernel = void (*)(const void* a, const void* b, const void* c, void* out, size_t count,
                        double immediate);
// Between numbers that lie as [rows, inner] and as [rows, columns, inner].
using RowKernel = void (*)(const void* in, void* out, size_t rows, size_t columns, size_t inner);

// The loops of one instruction set. Those that a type does not have are null.
struct Instructions {
  const char* name;
  Kernel unary[kUnary][kTypes];
  Kernel binary[kBinary][kTypes];
  Kernel cast[kTypes][kTypes];  // from, to
  Kernel select[4];             // a ? b : c, by log2 of the element's size
  Kernel widen[2];              // a half to float32
  Kernel narrow[2];             // float32 to a half
  Kernel round[2];              // float32 to the nearest half, as float32
  RowKernel reduce[kReductions][kTypes];
  RowKernel search[kSearches][kTypes];  // the column as u32
  RowKernel repeat[4];  // the same number in all columns, by log2 of the element's size
  const ProductLoops* products;
  const DataLoops* data;
};

// Those for this machine, or that DAVIT_KERNELS names (v2, v3, v4, neon); null where MLX's own
// kernels are to be used (mlx). Throws std::invalid_argument where it names none that the machine
// can run.
const Instructions* instructions();

}  // namespace davit::kernels
