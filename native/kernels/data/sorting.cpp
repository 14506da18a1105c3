// Rows that are sorted, or whose places are: by keys of 32 bits, in the order of their numbers. NaN
// is the greatest, as MLX has it.
#include <mlx/allocator.h>

#include <limits>
#include <memory>
#include <type_traits>

#include "kernels/data/copy.h"
#include "kernels/data/primitives.h"
#include "kernels/data/radix.h"
#include "kernels/index.h"
#include "kernels/scratch.h"
#include "kernels/share.h"
#include "kernels/thresholds.h"

namespace davit::kernels {

namespace mx = mlx::core;

namespace {

// Nanoseconds an element, roughly.
constexpr double kSorted = 10;

// The keys of floats, by their bits and by those of infinity.
template <typename Bits, Bits Infinity>
struct FloatKeys {
  using Element = Bits;
  static constexpr Bits kSign = static_cast<Bits>(Bits{1} << (8 * sizeof(Bits) - 1));
  static constexpr Bits kNaN = std::numeric_limits<Bits>::max();

  static uint32_t key(Bits bits) {
    if ((bits & static_cast<Bits>(~kSign)) > Infinity) return kNaN;
    return static_cast<Bits>((bits & kSign) != 0 ? ~bits : bits | kSign);
  }
  // Both zeros are the same number.
  static uint32_t place_key(Bits bits) { return key(bits == kSign ? Bits{0} : bits); }
  static Bits element(uint32_t key) {
    auto bits = static_cast<Bits>(key);
    // A quiet NaN.
    if (bits == kNaN) return static_cast<Bits>(Infinity | (Infinity >> 1));
    return static_cast<Bits>((bits & kSign) != 0 ? bits & ~kSign : ~bits);
  }
};

template <typename T>
struct IntegerKeys {
  using Element = T;
  static constexpr uint32_t kSign = std::is_signed_v<T> ? 1u << 31 : 0;
  static uint32_t key(T value) { return static_cast<uint32_t>(value) ^ kSign; }
  static uint32_t place_key(T value) { return key(value); }
  static T element(uint32_t key) { return static_cast<T>(key ^ kSign); }
};

// Calls f with the keys of a dtype; returns false where its numbers have more than 32 bits.
template <typename F>
bool with_keys(mx::Dtype dtype, F&& f) {
  switch (dtype.val()) {
    case mx::Dtype::Val::float32:
      return f(FloatKeys<uint32_t, 0x7f800000>{}), true;
    case mx::Dtype::Val::float16:
      return f(FloatKeys<uint16_t, 0x7c00>{}), true;
    case mx::Dtype::Val::bfloat16:
      return f(FloatKeys<uint16_t, 0x7f80>{}), true;
    case mx::Dtype::Val::bool_:
    case mx::Dtype::Val::uint8:
      return f(IntegerKeys<uint8_t>{}), true;
    case mx::Dtype::Val::uint16:
      return f(IntegerKeys<uint16_t>{}), true;
    case mx::Dtype::Val::uint32:
      return f(IntegerKeys<uint32_t>{}), true;
    case mx::Dtype::Val::int8:
      return f(IntegerKeys<int8_t>{}), true;
    case mx::Dtype::Val::int16:
      return f(IntegerKeys<int16_t>{}), true;
    case mx::Dtype::Val::int32:
      return f(IntegerKeys<int32_t>{}), true;
    default:
      return false;
  }
}

// Rows along a dimension: how many, how long, and where they begin.
struct Rows {
  Rows(const mx::array& input, int axis) {
    if (axis < 0) axis += static_cast<int>(input.ndim());
    auto out = row_strides(input.shape());
    for (size_t i = 0; i < input.ndim(); ++i) {
      int at = static_cast<int>(i);
      if (at == axis) continue;
      shape.push_back(input.shape(at));
      from.push_back(input.strides(at));
      to.push_back(out[i]);
      count *= static_cast<size_t>(input.shape(at));
    }
    length = static_cast<size_t>(input.shape(axis));
    from_stride = input.strides(axis);
    to_stride = out[static_cast<size_t>(axis)];
  }
  bool worth_it() const {
    return length > 1 && length * count >= kLeastSorted &&
           length <= std::numeric_limits<uint32_t>::max();
  }

  std::vector<int64_t> shape, from, to;
  size_t count = 1;
  size_t length;
  int64_t from_stride;
  int64_t to_stride;
};

// Memory for two rows of keys: this thread's, unless they are long.
template <typename Key>
class Keys {
 public:
  explicit Keys(size_t length) {
    size_t bytes = 2 * length * sizeof(Key);
    if (bytes > kScratch) own_ = std::make_unique_for_overwrite<std::byte[]>(bytes);
    first = reinterpret_cast<Key*>(own_ ? own_.get() : scratch(bytes));
    second = first + length;
  }
  Key* first;
  Key* second;

 private:
  std::unique_ptr<std::byte[]> own_;
};

// Calls `row(from, to)` for all rows.
template <typename From, typename To, typename F>
void for_rows(const Rows& rows, const From* from, To* to, size_t begin, size_t end, F&& row) {
  Index here(rows.shape, rows.from, begin);
  Index there(rows.shape, rows.to, begin);
  for (size_t i = begin; i < end; ++i, here.next(), there.next()) {
    row(from + here.offset(), to + there.offset());
  }
}

double work_of(const Rows& rows) {
  return kSorted * static_cast<double>(rows.count) * static_cast<double>(rows.length);
}

}  // namespace

bool sort(mx::Primitive& original, const std::vector<mx::array>& inputs, mx::array& output) {
  const auto& input = inputs[0];
  if (input.ndim() == 0) return false;
  Rows rows(input, static_cast<mx::Sort&>(original).state());
  if (!rows.worth_it()) return false;
  return with_keys(input.dtype(), [&]<typename By>(By) {
    using Element = typename By::Element;
    output.set_data(mx::allocator::malloc(output.nbytes()));
    const auto* from = reinterpret_cast<const Element*>(input.data<std::byte>());
    auto* to = reinterpret_cast<Element*>(output.data<std::byte>());
    share_work(work_of(rows), rows.count, [&](size_t begin, size_t end) {
      Keys<uint32_t> keys(rows.length);
      for_rows(rows, from, to, begin, end, [&](const Element* a, Element* b) {
        for (size_t i = 0; i < rows.length; ++i) {
          keys.first[i] = By::key(a[static_cast<int64_t>(i) * rows.from_stride]);
        }
        const auto* sorted = radix_sort(keys.first, keys.second, rows.length, 0);
        for (size_t i = 0; i < rows.length; ++i) {
          b[static_cast<int64_t>(i) * rows.to_stride] = By::element(sorted[i]);
        }
      });
    });
  });
}

bool argsort(mx::Primitive& original, const std::vector<mx::array>& inputs, mx::array& output) {
  const auto& input = inputs[0];
  if (input.ndim() == 0) return false;
  Rows rows(input, static_cast<mx::ArgSort&>(original).state());
  if (!rows.worth_it()) return false;
  return with_keys(input.dtype(), [&]<typename By>(By) {
    using Element = typename By::Element;
    output.set_data(mx::allocator::malloc(output.nbytes()));
    const auto* from = reinterpret_cast<const Element*>(input.data<std::byte>());
    auto* to = output.data<uint32_t>();
    share_work(work_of(rows), rows.count, [&](size_t begin, size_t end) {
      Keys<uint64_t> keys(rows.length);
      for_rows(rows, from, to, begin, end, [&](const Element* a, uint32_t* b) {
        for (size_t i = 0; i < rows.length; ++i) {
          uint64_t key = By::place_key(a[static_cast<int64_t>(i) * rows.from_stride]);
          keys.first[i] = key << 32 | i;
        }
        const auto* sorted = radix_sort(keys.first, keys.second, rows.length, 32);
        for (size_t i = 0; i < rows.length; ++i) {
          b[static_cast<int64_t>(i) * rows.to_stride] = static_cast<uint32_t>(sorted[i]);
        }
      });
    });
  });
}

}  // namespace davit::kernels
