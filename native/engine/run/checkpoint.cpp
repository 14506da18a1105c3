#include "engine/run/checkpoint.h"

#include <mlx/backend/cpu/encoder.h>
#include <mlx/primitives.h>

#include <stdexcept>

namespace davit {

namespace mx = mlx::core;

void CancelFlag::set(std::string code, std::string message) {
  std::lock_guard lock(mutex_);
  if (cause_) return;
  cause_ = std::make_shared<Failure>(Failure{std::move(code), std::move(message)});
  set_.store(true, std::memory_order_release);
}

void CancelFlag::check() const {
  if (!is_set()) return;
  std::lock_guard lock(mutex_);
  throw RunError(cause_);
}

void CheckpointGate::begin(const CancelFlag* cancel) {
  std::lock_guard lock(mutex_);
  cancel_ = cancel;
  arrived_ = 0;
  passed_ = 0;
}

void CheckpointGate::arrive() {
  std::unique_lock lock(mutex_);
  ++arrived_;
  moved_.wait(lock,
              [&] { return arrived_ - passed_ <= 2 || (cancel_ != nullptr && cancel_->is_set()); });
  if (cancel_ != nullptr) cancel_->check();
}

void CheckpointGate::pass() {
  {
    std::lock_guard lock(mutex_);
    ++passed_;
  }
  moved_.notify_all();
}

void CheckpointGate::wake() {
  // The lock orders this after a waiter's test of the flag.
  std::lock_guard lock(mutex_);
  moved_.notify_all();
}

namespace {

class Checkpoint : public mx::Primitive {
 public:
  Checkpoint(mx::Stream stream, CheckpointGate& gate) : Primitive(stream), gate_(gate) {}

  void eval_cpu(const std::vector<mx::array>& inputs, std::vector<mx::array>& outputs) override {
    outputs[0].copy_shared_buffer(inputs[0]);
    mx::cpu::get_command_encoder(stream()).dispatch([&gate = gate_] { gate.pass(); });
    gate_.arrive();
  }
  void eval_gpu(const std::vector<mx::array>&, std::vector<mx::array>&) override {
    throw std::runtime_error("a checkpoint is evaluated on a CPU stream");
  }
  std::vector<mx::array> vjp(const std::vector<mx::array>&,
                             const std::vector<mx::array>& cotangents, const std::vector<int>&,
                             const std::vector<mx::array>&) override {
    return cotangents;
  }
  std::vector<mx::array> jvp(const std::vector<mx::array>&, const std::vector<mx::array>& tangents,
                             const std::vector<int>&) override {
    return tangents;
  }
  const char* name() const override { return "DavitCheckpoint"; }
  bool is_equivalent(const Primitive&) const override { return false; }
  std::vector<mx::Shape> output_shapes(const std::vector<mx::array>& inputs) override {
    return {inputs[0].shape()};
  }

 private:
  CheckpointGate& gate_;
};

}  // namespace

mx::array checkpoint(const mx::array& value, CheckpointGate& gate) {
  auto stream = mx::default_stream(mx::Device::cpu);
  return mx::array(value.shape(), value.dtype(), std::make_shared<Checkpoint>(stream, gate),
                   {value});
}

}  // namespace davit
