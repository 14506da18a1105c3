#include "engine/value.h"

#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "ops/registry.h"

namespace davit {

namespace {

constexpr std::chrono::milliseconds kPatience{20};

}  // namespace

const mx::array& Value::array() {
  if (!settled() && load_) load();
  switch (state_.load(std::memory_order_acquire)) {
    case State::ready:
      return *array_;
    case State::failed:
      throw RunError(failure_);
    default:
      throw RunError("tensor_pending", "the tensor is not computed yet");
  }
}

const mx::array* Value::ready() const {
  return state_.load(std::memory_order_acquire) == State::ready && array_ ? &*array_ : nullptr;
}

mx::array Value::take() {
  // What others did with it before they gave it up has happened.
  std::atomic_thread_fence(std::memory_order_acquire);
  array();
  return *std::exchange(array_, std::nullopt);
}

bool Value::own(long views) {
  const auto& held = array();
  if (held.size() == 0) return true;
  if (!held.flags().row_contiguous) {
    auto rows = allocate_array(type_);
    copy_rows(held, rows.data<uint8_t>());
    array_.emplace(std::move(rows));
    return true;
  }
  // With a descriptor of its own: whoever has the one before holds the memory by it, and is
  // counted.
  mx::array own(held.shape(), held.dtype(), nullptr, {});
  own.copy_shared_buffer(held);
  own.set_status(mx::array::Status::available);
  array_.emplace(std::move(own));
  const auto& data = array_->data_shared_ptr();
  // A stream's thread lets go of what a run had some time after the run is over.
  auto end = std::chrono::steady_clock::now() + kPatience;
  while (data.use_count() > 1 + views) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  std::atomic_thread_fence(std::memory_order_acquire);
  return true;
}

void Value::load() {
  // Not under the lock: an allocation may wait for JavaScript's thread, and that for this tensor.
  auto memory = allocate_array(type_);
  std::lock_guard lock(loading_);
  if (settled()) return;
  try {
    load_(memory);
    set(std::move(memory));
  } catch (...) {
    fail(current_failure());
  }
}

void Value::set(mx::array array) {
  array_.emplace(std::move(array));
  state_.store(State::ready, std::memory_order_release);
}

void Value::fail(FailurePtr failure) {
  failure_ = std::move(failure);
  state_.store(State::failed, std::memory_order_release);
}

int64_t ValueStore::add(ValuePtr value) {
  std::lock_guard lock(mutex_);
  int64_t id = next_++;
  values_.emplace(id, std::move(value));
  return id;
}

ValuePtr ValueStore::get(int64_t id) const {
  std::lock_guard lock(mutex_);
  auto it = values_.find(id);
  if (it != values_.end()) return it->second;
  bool known = id > 0 && id < next_;
  throw OpError(known ? "tensor_freed" : "tensor_unknown",
                "tensor " + std::to_string(id) + (known ? " was freed" : " does not exist"));
}

ValuePtr ValueStore::find(int64_t id) const {
  std::lock_guard lock(mutex_);
  auto it = values_.find(id);
  return it == values_.end() ? nullptr : it->second;
}

void ValueStore::remove(int64_t id) {
  ValuePtr removed;  // destroyed outside the lock: it may free much memory
  std::lock_guard lock(mutex_);
  auto it = values_.find(id);
  if (it == values_.end()) return;
  removed = std::move(it->second);
  values_.erase(it);
}

size_t ValueStore::size() const {
  std::lock_guard lock(mutex_);
  return values_.size();
}

mx::array allocate_array(const TensorType& type) {
  size_t bytes = byte_size(type);
  auto buffer = mx::allocator::malloc(bytes);
  if (bytes > 0 && buffer.buffer().ptr() == nullptr) {
    throw RunError("memory_exhausted", "no memory for a tensor " + to_string(type) + " of " +
                                           std::to_string(bytes) + " bytes");
  }
  return mx::array(std::move(buffer), type.shape, type.dtype);
}

void normalize_bools(mx::array& array) {
  if (array.dtype() != mx::bool_ || array.size() == 0) return;
  auto* bytes = array.data<uint8_t>();
  for (size_t i = 0; i < array.nbytes(); ++i) bytes[i] = bytes[i] != 0;
}

namespace {

struct RegionCopy {
  const mx::array& array;
  std::span<const int> start;
  std::span<const int> size;
  uint8_t* out;

  // Copies everything below one axis, from an offset in elements.
  void copy(size_t axis, int64_t offset) {
    size_t item = array.itemsize();
    const auto* data = array.data<uint8_t>();
    if (axis == size.size()) {
      std::memcpy(out, data + offset * static_cast<int64_t>(item), item);
      out += item;
      return;
    }
    int64_t stride = array.strides()[axis];
    offset += start[axis] * stride;
    if (axis + 1 == size.size()) {
      const auto* from = data + offset * static_cast<int64_t>(item);
      if (stride == 1) {
        size_t bytes = static_cast<size_t>(size[axis]) * item;
        std::memcpy(out, from, bytes);
        out += bytes;
        return;
      }
      switch (item) {
        case 1:
          return copy_strided<1>(from, size[axis], stride);
        case 2:
          return copy_strided<2>(from, size[axis], stride);
        case 4:
          return copy_strided<4>(from, size[axis], stride);
        case 8:
          return copy_strided<8>(from, size[axis], stride);
        default:
          break;
      }
    }
    for (int i = 0; i < size[axis]; ++i) copy(axis + 1, offset + i * stride);
  }

  // Copies elements of so many bytes that lie `stride` elements apart.
  template <int64_t Item>
  void copy_strided(const uint8_t* from, int count, int64_t stride) {
    for (int i = 0; i < count; ++i, out += Item) std::memcpy(out, from + i * stride * Item, Item);
  }
};

}  // namespace

void copy_region(const mx::array& array, std::span<const int> start, std::span<const int> size,
                 uint8_t* out) {
  for (int extent : size) {
    if (extent == 0) return;
  }
  RegionCopy{array, start, size, out}.copy(0, 0);
}

void copy_rows(const mx::array& array, uint8_t* out) {
  if (array.size() == 0) return;
  if (array.flags().row_contiguous) {
    std::memcpy(out, array.data<uint8_t>(), array.nbytes());
    return;
  }
  std::vector<int> start(array.ndim(), 0);
  std::vector<int> size(array.shape().begin(), array.shape().end());
  copy_region(array, start, size, out);
}

mx::array compacted(const mx::array& array) {
  constexpr size_t kWorthwhile = 64 << 10;
  if (array.size() == 0 || array.buffer_size() < kWorthwhile ||
      array.nbytes() * 2 >= array.buffer_size()) {
    return array;
  }
  auto copy = allocate_array(type_of(array));
  copy_rows(array, copy.data<uint8_t>());
  return copy;
}

}  // namespace davit
