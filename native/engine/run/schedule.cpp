#include "engine/run/schedule.h"

#include <mlx/backend/cpu/encoder.h>

#include <algorithm>
#include <optional>

#include "engine/hooks/hook.h"
#include "interpose/interpose.h"
#include "threads/pool.h"
#include "traversal.h"

namespace davit {

namespace mx = mlx::core;

namespace {

// The hooks of a graph in the order in which they fire: each has the token of the one before it as
// its last operand, and the last output is the token of the last one.
std::vector<mx::array> hooks_of(const std::vector<mx::array>& outputs) {
  std::vector<mx::array> hooks;
  if (outputs.empty()) return hooks;
  auto token = outputs.back();
  while (token.has_primitive() && is_hook(token.primitive())) {
    hooks.push_back(token);
    token = mx::array(token.inputs().back());
  }
  std::ranges::reverse(hooks);
  return hooks;
}

}  // namespace

Schedule::Schedule(const std::vector<mx::array>& inputs, const std::vector<mx::array>& outputs,
                   const PrimitiveSites& sites) {
  std::unordered_map<std::uintptr_t, size_t> slot_of;  // by array
  auto new_slot = [&](const mx::array& array) {
    slot_of.emplace(array.id(), slots_);
    return slots_++;
  };
  for (const auto& input : inputs) inputs_.push_back(new_slot(input));

  auto visit = [&](const mx::array& array) {
    if (!array.has_primitive()) {
      constants_.emplace_back(new_slot(array), array);
      return;
    }
    auto site = sites.find(array.primitive_ptr().get());
    Operation operation{array.primitive_ptr(), {}, {}, site == sites.end() ? -1 : site->second};
    for (const auto& operand : array.inputs()) {
      operation.operands.push_back({slot_of.at(operand.id()), false});
    }
    for (const auto& result : array.outputs()) {
      operation.results.push_back({result.shape(), result.dtype(), new_slot(result), false});
    }
    operations_.push_back(std::move(operation));
  };
  auto known = [&](const mx::array& array) { return slot_of.contains(array.id()); };
  // Each hook as soon as its values are there: what comes after it need not depend on it.
  for (const auto& hook : hooks_of(outputs)) visit_operands_first(hook, known, visit);
  for (const auto& output : outputs) {
    visit_operands_first(output, known, visit);
    outputs_.push_back(slot_of.at(output.id()));
  }

  std::vector<bool> needed(slots_, false);
  for (size_t slot : outputs_) needed[slot] = true;
  for (auto operation = operations_.rbegin(); operation != operations_.rend(); ++operation) {
    for (auto& result : operation->results) result.used = needed[result.slot];
    for (auto operand = operation->operands.rbegin(); operand != operation->operands.rend();
         ++operand) {
      operand->last = !needed[operand->slot];
      needed[operand->slot] = true;
    }
  }
}

std::vector<mx::array> Schedule::run(std::vector<mx::array> inputs,
                                     const CancelFlag& cancel) const {
  std::vector<std::optional<mx::array>> slots(slots_);
  for (size_t i = 0; i < inputs.size(); ++i) slots[inputs_[i]] = std::move(inputs[i]);
  inputs.clear();
  for (const auto& [slot, constant] : constants_) slots[slot] = constant;

  // A long kernel stops in the middle.
  threads::StopScope stop(cancel.flag());
  std::vector<mx::array> operands;
  std::vector<mx::array> results;
  for (const auto& operation : operations_) {
    cancel.check();
    for (const auto& operand : operation.operands) {
      auto& slot = slots[operand.slot];
      operands.push_back(operand.last ? std::move(*slot) : *slot);
      if (operand.last) slot.reset();
    }
    for (const auto& result : operation.results) {
      // Some primitives find their stream by way of their output.
      results.push_back(mx::array(result.shape, result.dtype, operation.primitive, {}));
    }
    auto& primitive = *operation.primitive;
    try {
      primitive.eval_cpu(operands, results);
      interpose::check_streams();
    } catch (...) {
      interpose::forget_stream_errors();
      mx::cpu::get_command_encoder(primitive.stream()).temporaries().clear();
      auto failure = current_failure();
      throw RunError(failure->code, failure->message, operation.site);
    }
    mx::cpu::get_command_encoder(primitive.stream()).temporaries().clear();
    operands.clear();
    for (size_t i = 0; i < results.size(); ++i) {
      if (!operation.results[i].used) continue;
      results[i].detach();
      results[i].set_status(mx::array::Status::available);
      slots[operation.results[i].slot] = std::move(results[i]);
    }
    results.clear();
  }

  cancel.check();
  std::vector<mx::array> outputs;
  outputs.reserve(outputs_.size());
  for (size_t slot : outputs_) outputs.push_back(*slots[slot]);
  return outputs;
}

}  // namespace davit
