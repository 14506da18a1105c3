// All loops of one instruction set. Compiled once for each, with DAVIT_ISA its name:
// CMakeLists.txt.
//
// Nothing here may be shared with other translation units: no inline function of a header but those
// of kernels/isa, whose code would otherwise be taken from whichever of them the linker meets
// first, and run on machines that lack its instructions.
#include "kernels/instructions.h"

#include "kernels/isa/half.h"
#include "kernels/isa/loops.h"
#include "kernels/isa/rows.h"

namespace davit::kernels {
namespace {

struct Builder {
  Instructions table{};

  Kernel& unary(Unary op, Type type) { return table.unary[static_cast<int>(op)][index(type)]; }
  Kernel& binary(Binary op, Type type) { return table.binary[static_cast<int>(op)][index(type)]; }
  RowKernel& reduction(Reduction op, Type type) {
    return table.reduce[static_cast<int>(op)][index(type)];
  }

  template <typename T>
  void comparisons(Type type) {
    table.search[static_cast<int>(Search::argmax)][index(type)] = search<T, true>;
    table.search[static_cast<int>(Search::argmin)][index(type)] = search<T, false>;
    binary(Binary::equal, type) = map2<T, uint8_t, [](T x, T y) { return x == y; }>;
    binary(Binary::not_equal, type) = map2<T, uint8_t, [](T x, T y) { return x != y; }>;
    binary(Binary::less, type) = map2<T, uint8_t, [](T x, T y) { return x < y; }>;
    binary(Binary::less_equal, type) = map2<T, uint8_t, [](T x, T y) { return x <= y; }>;
    binary(Binary::greater, type) = map2<T, uint8_t, [](T x, T y) { return (x > y); }>;
    binary(Binary::greater_equal, type) = map2<T, uint8_t, [](T x, T y) { return (x >= y); }>;
    binary(Binary::equal_or_both_nan, type) =
        map2<T, uint8_t, [](T x, T y) { return x == y || (x != x && y != y); }>;
  }

  template <typename T>
  void bits(Type type) {
    unary(Unary::bitwise_invert, type) = map1<T, T, [](T x) { return static_cast<T>(~x); }>;
    binary(Binary::bitwise_and, type) = map2<T, T, [](T x, T y) { return static_cast<T>(x & y); }>;
    binary(Binary::bitwise_or, type) = map2<T, T, [](T x, T y) { return static_cast<T>(x | y); }>;
    binary(Binary::bitwise_xor, type) = map2<T, T, [](T x, T y) { return static_cast<T>(x ^ y); }>;
    // What C++ leaves open is what the machine's shift of a register does: it is of 32 or 64 bits.
    constexpr T kMask = sizeof(T) == 8 ? 63 : 31;
    using U = Wrapping<T>;
    binary(Binary::left_shift, type) =
        map2<T, T, [](T x, T y) { return static_cast<T>(static_cast<U>(x) << (y & kMask)); }>;
    binary(Binary::right_shift, type) =
        map2<T, T, [](T x, T y) { return static_cast<T>((x >> (y & kMask))); }>;
  }

  // What integers and floats have alike.
  template <typename T>
  void arithmetic(Type type) {
    using W = Wrapping<T>;
    auto same = [](T x) { return x; };
    if constexpr (std::is_floating_point_v<T>) {
      unary(Unary::absolute, type) =
          map1<T, T, [](T x) { return sizeof(T) == 4 ? __builtin_fabsf(x) : __builtin_fabs(x); }>;
    } else if constexpr (std::is_signed_v<T>) {
      unary(Unary::absolute, type) =
          map1<T, T, [](T x) { return static_cast<T>(x < 0 ? W(0) - W(x) : W(x)); }>;
    } else {
      unary(Unary::absolute, type) = map1<T, T, same>;
    }
    if constexpr (std::is_floating_point_v<T>) {
      unary(Unary::negative, type) = map1<T, T, [](T x) { return -x; }>;
    } else {
      unary(Unary::negative, type) = map1<T, T, [](T x) { return static_cast<T>(W(0) - W(x)); }>;
    }
    unary(Unary::sign, type) =
        map1<T, T, [](T x) { return static_cast<T>((x > 0) ? 1
                                                   : x < 0 ? -1
                                                           : 0); }>;
    unary(Unary::square, type) = map1<T, T, [](T x) { return static_cast<T>(W(x) * W(x)); }>;
    binary(Binary::add, type) = map2<T, T, [](T x, T y) { return static_cast<T>(W(x) + W(y)); }>;
    binary(Binary::subtract, type) =
        map2<T, T, [](T x, T y) { return static_cast<T>(W(x) - W(y)); }>;
    binary(Binary::multiply, type) =
        map2<T, T, [](T x, T y) { return static_cast<T>(W(x) * W(y)); }>;
    // NaN is what comes out where there is one.
    binary(Binary::maximum, type) =
        map2<T, T, [](T x, T y) { return x != x    ? x
                                         : (x > y) ? x
                                                   : y; }>;
    binary(Binary::minimum, type) = map2<T, T, [](T x, T y) { return x != x ? x : x < y ? x : y; }>;
    binary(Binary::floor_divide, type) = map2<T, T, floor_divide<T>>;
    binary(Binary::remainder, type) = map2<T, T, remainder<T>>;
    reduction(Reduction::sum, type) =
        reduce<T, [](T x, T y) { return static_cast<T>(W(x) + W(y)); }, [] { return T(0); }>;
    reduction(Reduction::product, type) =
        reduce<T, [](T x, T y) { return static_cast<T>(W(x) * W(y)); }, [] { return T(1); }>;
    reduction(Reduction::max, type) =
        reduce<T, [](T x, T y) { return (y > x) || y != y ? y : x; }, [] { return lowest<T>(); }>;
    reduction(Reduction::min, type) =
        reduce<T, [](T x, T y) { return y < x || y != y ? y : x; }, [] { return highest<T>(); }>;
  }

  template <typename T>
  static constexpr T highest() {
    if constexpr (std::is_floating_point_v<T>) {
      return static_cast<T>(kInfinity);
    } else {
      using U = std::make_unsigned_t<T>;
      return static_cast<T>(std::is_signed_v<T> ? U(-1) >> 1 : U(-1));
    }
  }
  template <typename T>
  static constexpr T lowest() {
    if constexpr (std::is_floating_point_v<T>) {
      return static_cast<T>(-kInfinity);
    } else {
      return static_cast<T>(std::is_signed_v<T> ? static_cast<T>(-highest<T>() - 1) : 0);
    }
  }

  template <typename T>
  void integer(Type type) {
    arithmetic<T>(type);
    comparisons<T>(type);
    bits<T>(type);
    auto same = [](T x) { return x; };
    unary(Unary::ceil, type) = map1<T, T, same>;
    unary(Unary::floor, type) = map1<T, T, same>;
    unary(Unary::round, type) = map1<T, T, same>;
  }

  void booleans() {
    constexpr Type type = Type::boolean;
    comparisons<uint8_t>(type);
    unary(Unary::logical_not, type) = map1<uint8_t, uint8_t, [](uint8_t x) { return x == 0; }>;
    binary(Binary::bitwise_and, type) =
        map2<uint8_t, uint8_t, [](uint8_t x, uint8_t y) { return x & y; }>;
    binary(Binary::bitwise_or, type) =
        map2<uint8_t, uint8_t, [](uint8_t x, uint8_t y) { return x | y; }>;
    binary(Binary::bitwise_xor, type) =
        map2<uint8_t, uint8_t, [](uint8_t x, uint8_t y) { return x ^ y; }>;
    reduction(Reduction::all, type) =
        reduce<uint8_t, [](uint8_t x, uint8_t y) -> uint8_t { return x & y; },
               [] { return uint8_t{1}; }>;
    reduction(Reduction::any, type) =
        reduce<uint8_t, [](uint8_t x, uint8_t y) -> uint8_t { return x | y; },
               [] { return uint8_t{0}; }>;
  }

  void floats() {
    constexpr Type type = Type::f32;
    arithmetic<float>(type);
    comparisons<float>(type);
    using F = float;
    unary(Unary::ceil, type) = map1<F, F, [](F x) { return __builtin_ceilf(x); }>;
    unary(Unary::floor, type) = map1<F, F, [](F x) { return __builtin_floorf(x); }>;
    unary(Unary::round, type) = map1<F, F, [](F x) { return __builtin_rintf(x); }>;
    unary(Unary::sqrt, type) = map1<F, F, [](F x) { return __builtin_sqrtf(x); }>;
    unary(Unary::rsqrt, type) = map1<F, F, [](F x) { return 1.0f / __builtin_sqrtf(x); }>;
    unary(Unary::exp, type) = map1<F, F, [](F x) { return exp(x); }>;
    unary(Unary::expm1, type) = map1<F, F, [](F x) { return expm1(x); }>;
    unary(Unary::log, type) = map1<F, F, [](F x) { return log(x); }>;
    unary(Unary::log2, type) = map1<F, F, [](F x) { return log2(x); }>;
    unary(Unary::log10, type) = map1<F, F, [](F x) { return __builtin_log10f(x); }>;
    unary(Unary::log1p, type) = map1<F, F, [](F x) { return log1p(x); }>;
    unary(Unary::erf, type) = map1<F, F, [](F x) { return erf(x); }>;
    unary(Unary::sigmoid, type) = map1<F, F, [](F x) { return sigmoid(x); }>;
    unary(Unary::sin, type) = angle<false>;
    unary(Unary::cos, type) = angle<true>;
    unary(Unary::tan, type) = map1<F, F, [](F x) { return __builtin_tanf(x); }>;
    unary(Unary::sinh, type) = map1<F, F, [](F x) { return __builtin_sinhf(x); }>;
    unary(Unary::cosh, type) = map1<F, F, [](F x) { return __builtin_coshf(x); }>;
    unary(Unary::tanh, type) = map1<F, F, [](F x) { return tanh(x); }>;
    unary(Unary::arcsin, type) = map1<F, F, [](F x) { return __builtin_asinf(x); }>;
    unary(Unary::arccos, type) = map1<F, F, [](F x) { return __builtin_acosf(x); }>;
    unary(Unary::arctan, type) = map1<F, F, [](F x) { return __builtin_atanf(x); }>;
    unary(Unary::arcsinh, type) = map1<F, F, [](F x) { return __builtin_asinhf(x); }>;
    unary(Unary::arccosh, type) = map1<F, F, [](F x) { return __builtin_acoshf(x); }>;
    unary(Unary::arctanh, type) = map1<F, F, [](F x) { return __builtin_atanhf(x); }>;
    unary(Unary::integer_power, type) = integer_power<F>;
    binary(Binary::divide, type) = map2<F, F, [](F x, F y) { return x / y; }>;
    binary(Binary::power, type) = map2<F, F, [](F x, F y) { return __builtin_powf(x, y); }>;
    binary(Binary::logaddexp, type) = map2<F, F, [](F x, F y) { return logaddexp(x, y); }>;
    binary(Binary::arctan2, type) = map2<F, F, [](F x, F y) { return __builtin_atan2f(x, y); }>;
  }

  // In double precision the functions are those of the C library.
  void doubles() {
    constexpr Type type = Type::f64;
    arithmetic<double>(type);
    comparisons<double>(type);
    using D = double;
    unary(Unary::ceil, type) = map1<D, D, [](D x) { return __builtin_ceil(x); }>;
    unary(Unary::floor, type) = map1<D, D, [](D x) { return __builtin_floor(x); }>;
    unary(Unary::round, type) = map1<D, D, [](D x) { return __builtin_rint(x); }>;
    unary(Unary::sqrt, type) = map1<D, D, [](D x) { return __builtin_sqrt(x); }>;
    unary(Unary::rsqrt, type) = map1<D, D, [](D x) { return 1.0 / __builtin_sqrt(x); }>;
    unary(Unary::log, type) = map1<D, D, [](D x) { return __builtin_log(x); }>;
    unary(Unary::log2, type) = map1<D, D, [](D x) { return __builtin_log2(x); }>;
    unary(Unary::log10, type) = map1<D, D, [](D x) { return __builtin_log10(x); }>;
    unary(Unary::log1p, type) = map1<D, D, [](D x) { return __builtin_log1p(x); }>;
    unary(Unary::expm1, type) = map1<D, D, [](D x) { return __builtin_expm1(x); }>;
    unary(Unary::tanh, type) = map1<D, D, [](D x) { return __builtin_tanh(x); }>;
    binary(Binary::divide, type) = map2<D, D, [](D x, D y) { return x / y; }>;
  }

  template <typename From>
  void casts_from(Type from) {
    auto to = [&](Type type) -> Kernel& { return table.cast[index(from)][index(type)]; };
    to(Type::boolean) = cast_to_boolean<From>;
    to(Type::f32) = cast<From, float>;
    to(Type::f64) = cast<From, double>;
    if constexpr (std::is_floating_point_v<From>) {
      // Out of range this is what the machine's instruction returns; others have none.
      if constexpr (sizeof(From) == 4) to(Type::i32) = cast<From, int32_t>;
    } else {
      to(Type::u8) = cast<From, uint8_t>;
      to(Type::u16) = cast<From, uint16_t>;
      to(Type::u32) = cast<From, uint32_t>;
      to(Type::u64) = cast<From, uint64_t>;
      to(Type::i8) = cast<From, int8_t>;
      to(Type::i16) = cast<From, int16_t>;
      to(Type::i32) = cast<From, int32_t>;
      to(Type::i64) = cast<From, int64_t>;
    }
  }

  void casts() {
    casts_from<uint8_t>(Type::boolean);
    casts_from<uint8_t>(Type::u8);
    casts_from<uint16_t>(Type::u16);
    casts_from<uint32_t>(Type::u32);
    casts_from<uint64_t>(Type::u64);
    casts_from<int8_t>(Type::i8);
    casts_from<int16_t>(Type::i16);
    casts_from<int32_t>(Type::i32);
    casts_from<int64_t>(Type::i64);
    casts_from<float>(Type::f32);
    casts_from<double>(Type::f64);
  }

  void halves() {
    table.widen[static_cast<int>(Half::f16)] = [](const void* a, const void*, const void*,
                                                  void* out, size_t count, double) {
      widen_f16(static_cast<const uint16_t*>(a), static_cast<float*>(out), count);
    };
    table.narrow[static_cast<int>(Half::f16)] = [](const void* a, const void*, const void*,
                                                   void* out, size_t count, double) {
      narrow_f16(static_cast<const float*>(a), static_cast<uint16_t*>(out), count);
    };
    table.round[static_cast<int>(Half::f16)] = [](const void* a, const void*, const void*,
                                                  void* out, size_t count, double) {
      round_f16(static_cast<const float*>(a), static_cast<float*>(out), count);
    };
    constexpr int bf16 = static_cast<int>(Half::bf16);
    table.widen[bf16] = map1<uint16_t, float, [](uint16_t x) { return from_bf16(x); }>;
    table.narrow[bf16] = map1<float, uint16_t, [](float x) { return to_bf16(x); }>;
    table.round[bf16] = map1<float, float, [](float x) { return from_bf16(to_bf16(x)); }>;
  }
};

Instructions build(const char* name) {
  Builder builder;
  builder.table.name = name;
  builder.booleans();
  builder.integer<uint8_t>(Type::u8);
  builder.integer<uint16_t>(Type::u16);
  builder.integer<uint32_t>(Type::u32);
  builder.integer<uint64_t>(Type::u64);
  builder.integer<int8_t>(Type::i8);
  builder.integer<int16_t>(Type::i16);
  builder.integer<int32_t>(Type::i32);
  builder.integer<int64_t>(Type::i64);
  builder.floats();
  builder.doubles();
  builder.casts();
  builder.halves();
  auto& table = builder.table;
  table.select[0] = select<uint8_t>;
  table.select[1] = select<uint16_t>;
  table.select[2] = select<uint32_t>;
  table.select[3] = select<uint64_t>;
  table.repeat[0] = repeat<uint8_t>;
  table.repeat[1] = repeat<uint16_t>;
  table.repeat[2] = repeat<uint32_t>;
  table.repeat[3] = repeat<uint64_t>;
  return table;
}

}  // namespace

#define DAVIT_JOINED(a, b) a##b
#define DAVIT_NAMED(a, b) DAVIT_JOINED(a, b)
#define DAVIT_TEXT(a) #a
#define DAVIT_QUOTED(a) DAVIT_TEXT(a)

extern const DataLoops* DAVIT_NAMED(data_, DAVIT_ISA)();
extern const ProductLoops* DAVIT_NAMED(products_, DAVIT_ISA)();
extern const Instructions* DAVIT_NAMED(instructions_, DAVIT_ISA)();
const Instructions* DAVIT_NAMED(instructions_, DAVIT_ISA)() {
  static const Instructions table = [] {
    auto built = build(DAVIT_QUOTED(DAVIT_ISA));
    built.products = DAVIT_NAMED(products_, DAVIT_ISA)();
    built.data = DAVIT_NAMED(data_, DAVIT_ISA)();
    return built;
  }();
  return &table;
}

}  // namespace davit::kernels
