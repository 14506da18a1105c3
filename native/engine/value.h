// A tensor of the engine: pending, ready or failed.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/failure.h"
#include "tensor_type.h"

namespace davit {

class Run;

class Value {
 public:
  explicit Value(TensorType type) : type_(std::move(type)) {}
  // A tensor whose memory is filled by `load` when it is first needed.
  using Load = std::function<void(mlx::core::array&)>;
  Value(TensorType type, Load load) : type_(std::move(type)), load_(std::move(load)) {}

  const TensorType& type() const { return type_; }
  bool settled() const { return state_.load(std::memory_order_acquire) != State::pending; }

  // The array; throws RunError where the tensor failed, or where there is no memory to load it,
  // which may be tried again. The tensor must be settled or loadable.
  const mlx::core::array& array();
  // The array, where there is one.
  const mlx::core::array* ready() const;
  // The array, for the only one who has the tensor: its memory may be overwritten. Throws as
  // array().
  mlx::core::array take();

  // For the only one who has the tensor: makes its memory free of gaps, and returns whether nobody
  // but `views` others has it. Throws as array(). Waits a moment for who is about to let go of it.
  bool own(long views);

  // Settles the tensor; only the scheduler calls these, once.
  void set(mlx::core::array array);
  void fail(FailurePtr failure);
  // Returns whether runs have to wait until it is settled.
  bool pending() const { return !settled() && !load_; }

  // Runs that wait for this tensor; the scheduler's lock guards it.
  std::vector<std::shared_ptr<Run>> waiters;

 private:
  void load();

  enum class State { pending, ready, failed };

  const TensorType type_;
  std::atomic<State> state_{State::pending};
  std::optional<mlx::core::array> array_;
  FailurePtr failure_;
  const Load load_;
  std::mutex loading_;
};

using ValuePtr = std::shared_ptr<Value>;

// All tensors that have a name. Ids are never reused.
class ValueStore {
 public:
  int64_t add(ValuePtr value);
  // Throws OpError("tensor_unknown") or OpError("tensor_freed").
  ValuePtr get(int64_t id) const;
  // Null where there is none of this name.
  ValuePtr find(int64_t id) const;
  void remove(int64_t id);
  size_t size() const;

 private:
  mutable std::mutex mutex_;
  int64_t next_ = 1;
  std::unordered_map<int64_t, ValuePtr> values_;
};

// A new array of this type with unset contents; throws RunError("memory_exhausted").
mlx::core::array allocate_array(const TensorType& type);

// Makes the bytes of booleans that came from outside 0 or 1, as compiled code expects them.
void normalize_bools(mlx::core::array& array);

// Copies a region of an evaluated array, row by row, into `out`. `start` and `size` have its rank.
void copy_region(const mlx::core::array& array, std::span<const int> start,
                 std::span<const int> size, uint8_t* out);

// Copies a whole evaluated array, row by row, into `out` (nbytes long).
void copy_rows(const mlx::core::array& array, uint8_t* out);

// The array itself, or a copy where it keeps a much larger buffer alive.
mlx::core::array compacted(const mlx::core::array& array);

}  // namespace davit
