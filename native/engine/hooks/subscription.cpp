#include "engine/hooks/subscription.h"

#include <algorithm>

#include "engine/value.h"

namespace davit {

namespace mx = mlx::core;

namespace {

// The cost of an event beside its values.
constexpr int64_t kEventBytes = 64;

// The part of a view's slice that lies inside a shape.
void clip(const View& view, const mx::Shape& shape, std::vector<int>& start,
          std::vector<int>& size) {
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    int extent = shape[axis];
    int from = axis < view.start.size() ? std::clamp(view.start[axis], 0, extent) : 0;
    int wanted = axis < view.size.size() ? std::max(0, view.size[axis]) : extent;
    start.push_back(from);
    size.push_back(std::min(wanted, extent - from));
  }
}

int64_t view_bytes(const View& view, const TensorType& type) {
  switch (view.kind) {
    case View::Kind::full:
      return static_cast<int64_t>(byte_size(type));
    case View::Kind::summary:
      return 8 * (7 + view.bins);
    case View::Kind::slice: {
      std::vector<int> start;
      std::vector<int> size;
      clip(view, type.shape, start, size);
      int64_t bytes = static_cast<int64_t>(mx::size_of(type.dtype));
      for (int extent : size) bytes *= extent;
      return bytes;
    }
  }
  return 0;
}

EventValue view_value(const View& view, const mx::array& array) {
  EventValue value;
  if (view.kind == View::Kind::summary) {
    value.summary = summarize(array, view.bins);
    return value;
  }
  value.bytes.resize(static_cast<size_t>(view_bytes(view, type_of(array))));
  if (view.kind == View::Kind::full) {
    copy_rows(array, value.bytes.data());
  } else if (!value.bytes.empty()) {
    std::vector<int> start;
    std::vector<int> size;
    clip(view, array.shape(), start, size);
    copy_region(array, start, size, value.bytes.data());
  }
  return value;
}

}  // namespace

int64_t Subscription::cost(const std::vector<TensorType>& types) const {
  int64_t bytes = kEventBytes;
  for (const auto& type : types) bytes += view_bytes(view_, type);
  return std::max(bytes, budget_->least());
}

Event Subscription::make_event(const SiteValues& fired, int64_t cost) const {
  Event event{id_, fired.run, fired.program, fired.site, fired.seq, 0, cost, fired.path, {}};
  event.values.reserve(fired.values.size());
  for (const auto& array : fired.values) event.values.push_back(view_value(view_, array));
  return event;
}

// Returns whether the policy takes these values, credit aside.
bool Subscription::wants() {
  ++seen_;
  if (policy_ == Policy::sample) {
    return (seen_ - 1) % std::max<int64_t>(1, static_cast<int64_t>(interval_)) == 0;
  }
  if (policy_ == Policy::rate) {
    auto now = std::chrono::steady_clock::now();
    std::chrono::duration<double, std::milli> pause(interval_);
    if (last_ && now - *last_ < pause) return false;
    last_ = now;
  }
  return true;
}

void Subscription::emit(Event event, Outbox& outbox) {
  event.dropped = dropped_;
  dropped_ = 0;
  outbox.event(std::move(event));
}

void Subscription::fire(const SiteValues& fired, Outbox& outbox) {
  std::vector<TensorType> types;
  types.reserve(fired.values.size());
  for (const auto& array : fired.values) types.push_back(type_of(array));
  int64_t bytes = cost(types);

  std::lock_guard lock(mutex_);
  if (!open()) {
    if (policy_ == Policy::every) budget_->release(bytes);
    return;
  }
  if (policy_ == Policy::every) {
    emit(make_event(fired, bytes), outbox);
    return;
  }
  if (!wants()) {
    ++dropped_;
    return;
  }
  if (policy_ == Policy::latest) {
    if (latest_ || !budget_->idle()) {
      if (latest_) ++dropped_;
      latest_ = make_event(fired, bytes);
      return;
    }
    budget_->force(bytes);
  } else if (!budget_->try_reserve(bytes)) {
    ++dropped_;
    return;
  }
  emit(make_event(fired, bytes), outbox);
}

void Subscription::skip(const std::vector<TensorType>& types) {
  if (policy_ == Policy::every) budget_->release(cost(types));
}

void Subscription::flush(Outbox& outbox, int64_t only_run) {
  std::lock_guard lock(mutex_);
  if (!latest_ || !open()) return;
  if (only_run >= 0 && latest_->run != only_run) return;
  budget_->force(latest_->cost);
  emit(std::move(*latest_), outbox);
  latest_.reset();
}

void Subscription::close() {
  {
    std::lock_guard lock(mutex_);
    open_.store(false, std::memory_order_release);
    latest_.reset();
  }
  // A run may be waiting for credit for an event of this subscription.
  budget_->wake();
}

}  // namespace davit
