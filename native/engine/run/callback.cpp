// Callbacks: a run hands values to JavaScript and waits for the reply.
#include "engine/engine.h"
#include "engine/run/run.h"

namespace davit {

namespace {
// Up to here a value's bytes are told faster than its name.
constexpr size_t kInlineBytes = 4 << 10;
}  // namespace

bool Run::callback(Frame& frame, const Node& node) {
  std::optional<CallbackReply> reply;
  {
    std::lock_guard lock(reply_mutex_);
    if (awaited_callback_ == 0) {
      awaited_callback_ = engine_.next_callback();
      awaited_node_ = &node;
      reply_.reset();
    } else if (!reply_) {
      return false;  // woken for another reason
    } else {
      reply = std::move(reply_);
      reply_.reset();
      awaited_callback_ = 0;
    }
  }
  if (!reply) {
    std::vector<CallbackValue> values;
    for (const auto& operand : operands(frame, node, 0, node.inputs.size())) {
      if (operand.nbytes() <= kInlineBytes) {
        std::vector<uint8_t> bytes(operand.nbytes());
        copy_rows(operand, bytes.data());
        values.emplace_back(std::move(bytes));
        continue;
      }
      auto value = std::make_shared<Value>(type_of(operand));
      value->set(operand);
      values.emplace_back(engine_.values().add(std::move(value)));
    }
    engine_.outbox().callback(id_, program_->id(), node.site, seq_->fetch_add(1), awaited_callback_,
                              path(), std::move(values));
    return false;
  }
  if (auto* failure = std::get_if<FailurePtr>(&*reply)) {
    auto located = **failure;
    if (located.site < 0) located.site = node.site;
    throw RunError(std::make_shared<Failure>(located));
  }
  auto& values = std::get<Arrays>(*reply);
  if (values.size() != node.outputs.size()) {
    throw RunError("reply_invalid",
                   "the reply has " + std::to_string(values.size()) +
                       " tensors; the call declares " + std::to_string(node.outputs.size()),
                   node.site);
  }
  for (size_t i = 0; i < values.size(); ++i) {
    if (type_of(values[i]) == node.outputs[i]) continue;
    throw RunError("reply_invalid",
                   "tensor " + std::to_string(i) + " of the reply is " +
                       to_string(type_of(values[i])) + "; the call declares " +
                       to_string(node.outputs[i]),
                   node.site);
  }
  finish_node(frame, node, std::move(values));
  return true;
}

std::optional<std::vector<TensorType>> Run::reply_types(int64_t callback) {
  std::lock_guard lock(reply_mutex_);
  if (awaited_callback_ == 0 || callback != awaited_callback_) return std::nullopt;
  return awaited_node_->outputs;
}

bool Run::take_reply(int64_t callback, CallbackReply reply) {
  std::lock_guard lock(reply_mutex_);
  if (awaited_callback_ == 0 || callback != awaited_callback_ || reply_) return false;
  reply_.emplace(std::move(reply));
  return true;
}

}  // namespace davit
