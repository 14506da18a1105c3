#include "engine/run/tight_loop.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "kernels/fused.h"

namespace davit {

namespace {

// Bytes of a value up to which it is copied at the end of each iteration.
constexpr size_t kSmall = 64 << 10;

mx::array allocated(const mx::Shape& shape, mx::Dtype dtype) {
  return allocate_array({dtype, shape});
}

// Whether the result is the operand in another shape, where that lies row by row.
bool only_reshapes(const mx::Primitive& primitive) {
  std::string_view name = primitive.name();
  return name == "Squeeze" || name == "ExpandDims" || name == "Reshape" || name == "Flatten" ||
         name == "Unflatten" || name == "StopGradient";
}

mx::array reshaped(const mx::array& array, const mx::Shape& shape) {
  mx::array result(shape, array.dtype(), nullptr, {});
  mx::Strides strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  result.copy_shared_buffer(array, strides, {true, true, shape.size() <= 1}, array.size());
  result.set_status(mx::array::Status::available);
  return result;
}

bool is_plain(const mx::array& array) {
  return array.nbytes() <= kSmall && (array.flags().row_contiguous || array.size() == 1);
}

}  // namespace

std::unique_ptr<TightLoop> TightLoop::make(std::shared_ptr<const Schedule> schedule,
                                           const Function& body, const Segment& segment,
                                           const Start& start) {
  auto loop = std::make_unique<TightLoop>();
  loop->slots_.resize(schedule->slots());
  loop->schedule_ = std::move(schedule);
  bool made = loop->take_inputs(body, segment, start) && loop->take_operations() &&
              loop->take_results(body, segment, start.tested);
  return made ? std::move(loop) : nullptr;
}

// Carries are copied: they are written over.
bool TightLoop::take_inputs(const Function& body, const Segment& segment, const Start& start) {
  for (const auto& [slot, constant] : schedule_->constants()) {
    if (!is_plain(constant)) return false;
    slots_[slot] = constant;
  }
  for (const auto& carry : start.carries) {
    if (!is_plain(carry)) return false;
    carries_.push_back(allocated(carry.shape(), carry.dtype()));
    if (carry.nbytes() == 0) return false;
    std::memcpy(carries_.back().data<std::byte>(), carry.data<std::byte>(), carry.nbytes());
  }
  if (start.indexed) index_ = allocated({}, mx::int32);
  size_t first = start.indexed ? 1 : 0;
  for (size_t i = 0; i < segment.inputs.size(); ++i) {
    auto& slot = slots_[schedule_->inputs()[i]];
    auto value = static_cast<size_t>(segment.inputs[i]);
    if (value < first) {
      slot = index_;
    } else if (value < first + carries_.size()) {
      slot = carries_[value - first];
    } else if (value < body.parameters.size()) {
      slot = start.invariants[value - first - carries_.size()];
    } else {
      auto bound = std::ranges::find(body.bound, segment.inputs[i], [&](int node) {
        return body.nodes[static_cast<size_t>(node)].first_output;
      });
      slot = body.nodes[static_cast<size_t>(*bound)].bound->array();
    }
    if (!is_plain(*slot)) return false;
  }
  return true;
}

bool TightLoop::take_operations() {
  for (const auto& operation : schedule_->operations()) {
    if (only_reshapes(*operation.primitive)) {
      const auto& result = operation.results[0];
      slots_[result.slot] = reshaped(*slots_[operation.operands[0].slot], result.shape);
      continue;
    }
    auto* fused = dynamic_cast<kernels::Fused*>(operation.primitive.get());
    if (fused == nullptr) return false;
    Arrays operands, results;
    for (const auto& operand : operation.operands) operands.push_back(*slots_[operand.slot]);
    for (const auto& result : operation.results) {
      results.push_back(allocated(result.shape, result.dtype));
      if (!is_plain(results.back())) return false;
      slots_[result.slot] = results.back();
    }
    steps_.push_back(fused->repetition(operands, results));
    if (!steps_.back()) return false;
  }
  return true;
}

bool TightLoop::take_results(const Function& body, const Segment& segment, bool tested) {
  size_t first = index_ ? 1 : 0;
  for (size_t i = 0; i < body.results.size(); ++i) {
    bool test = tested && i + 1 == body.results.size();
    int result = body.results[i];
    auto output = std::ranges::find(segment.outputs, result);
    if (output == segment.outputs.end()) {
      // A carry that stays what it is; another's value would be overwritten before it is read.
      if (test || result != static_cast<int>(first + i)) return false;
      continue;
    }
    size_t slot = schedule_->outputs()[static_cast<size_t>(output - segment.outputs.begin())];
    const auto& value = *slots_[slot];
    // What is overwritten before it is read.
    auto same_memory = [&](const mx::array& carry) {
      return carry.data<std::byte>() == value.data<std::byte>();
    };
    if (std::ranges::any_of(carries_, same_memory)) return false;
    if (test) {
      test_ = value.data<bool>();
    } else {
      copies_.push_back({value.data<std::byte>(), carries_[i].data<std::byte>(), value.nbytes()});
    }
  }
  return true;
}

int64_t TightLoop::run(int64_t first, int64_t count, const CancelFlag& cancel) {
  for (int64_t i = 0; i < count; ++i) {
    cancel.check();
    if (index_) *index_->data<int32_t>() = static_cast<int32_t>(first + i);
    for (auto& step : steps_) step->run();
    for (const auto& copy : copies_) std::memcpy(copy.to, copy.from, copy.bytes);
    if (test_ != nullptr && !*test_) return i + 1;
  }
  return count;
}

bool TightLoop::goes_on() const { return test_ == nullptr || *test_; }

}  // namespace davit
