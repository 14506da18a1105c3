#include "engine/hooks/hook.h"

#include <mlx/backend/cpu/encoder.h>
#include <mlx/primitives.h>

#include <algorithm>
#include <stdexcept>

namespace davit {

namespace mx = mlx::core;

void HookCursor::expect(Launch launch) {
  std::lock_guard lock(mutex_);
  launches_.push_back(std::move(launch));
}

void HookCursor::fire(int site, const std::vector<mx::array>& values) {
  // Only the stream thread removes launches while one is being evaluated, so the reference stays
  // valid while the lane appends.
  std::unique_lock lock(mutex_);
  if (launches_.empty()) return;
  Launch& launch = launches_.front();
  lock.unlock();

  const auto& expected = launch.plan->sites[launch.next];
  if (expected.site != site) {
    throw std::logic_error("hook " + std::to_string(site) + " fired where hook " +
                           std::to_string(expected.site) + " was expected");
  }
  int64_t seq = launch.seq->fetch_add(1, std::memory_order_relaxed);
  SiteValues fired{launch.run, launch.program, site, seq, launch.path, values};
  for (const auto& subscription : expected.subscriptions) subscription->fire(fired, outbox_);

  if (++launch.next < launch.plan->sites.size()) return;
  launch.next = 0;
  if (launch.loops) ++launch.path.back();
  if (--launch.passes > 0) return;
  lock.lock();
  launches_.pop_front();
}

void HookCursor::abandon() {
  std::lock_guard lock(mutex_);
  for (const auto& launch : launches_) {
    const auto& sites = launch.plan->sites;
    for (int64_t pass = 0; pass < launch.passes; ++pass) {
      for (size_t i = pass == 0 ? launch.next : 0; i < sites.size(); ++i) {
        for (const auto& subscription : sites[i].subscriptions) subscription->skip(sites[i].types);
      }
    }
  }
  launches_.clear();
}

namespace {

// Inputs: values and a token; outputs: the values (unless nothing uses them) and a token. Pinned to
// the CPU stream: MLX's fences bring values over from a GPU.
class Hook : public mx::Primitive {
 public:
  Hook(mx::Stream stream, int site, HookCursor& cursor, bool passes_values)
      : Primitive(stream), site_(site), cursor_(cursor), passes_values_(passes_values) {}

  void eval_cpu(const std::vector<mx::array>& inputs, std::vector<mx::array>& outputs) override {
    std::vector<mx::array> seen;
    seen.reserve(inputs.size() - 1);
    for (size_t i = 0; i + 1 < inputs.size(); ++i) {
      if (passes_values_) outputs[i].copy_shared_buffer(inputs[i]);
      // On the CPU the stream runs in order, so the buffer is not reused before the hook has fired,
      // and a reference held here would block donation. A GPU reuses buffers in its own order.
      seen.push_back(gpu_ ? inputs[i] : mx::array::unsafe_weak_copy(inputs[i]));
    }
    outputs.back().set_data(mx::allocator::malloc(0));
    mx::cpu::get_command_encoder(stream()).dispatch(
        [stream = stream(), site = site_, &cursor = cursor_, seen = std::move(seen)] {
          // Throws where the stream has failed: what comes after that was never computed. (It
          // clears the failure, too, and thrown on from here it is kept.)
          mx::scheduler::check_error(stream);
          cursor.fire(site, seen);
        });
  }

  void eval_gpu(const std::vector<mx::array>&, std::vector<mx::array>&) override {
    throw std::runtime_error("a hook is evaluated on a CPU stream");
  }

  std::vector<mx::array> vjp(const std::vector<mx::array>& primals,
                             const std::vector<mx::array>& cotangents,
                             const std::vector<int>& argnums,
                             const std::vector<mx::array>&) override {
    std::vector<mx::array> gradients;
    for (int i : argnums) {
      bool value = passes_values_ && static_cast<size_t>(i) + 1 < primals.size();
      gradients.push_back(value ? cotangents[i] : mx::zeros_like(primals[i], stream()));
    }
    return gradients;
  }

  std::vector<mx::array> jvp(const std::vector<mx::array>& primals,
                             const std::vector<mx::array>& tangents,
                             const std::vector<int>& argnums) override {
    std::vector<mx::array> outputs;
    for (size_t i = 0; passes_values_ && i + 1 < primals.size(); ++i) {
      auto at = std::find(argnums.begin(), argnums.end(), static_cast<int>(i));
      outputs.push_back(at == argnums.end() ? mx::zeros_like(primals[i], stream())
                                            : tangents[static_cast<size_t>(at - argnums.begin())]);
    }
    outputs.push_back(mx::zeros({0}, mx::uint8, stream()));
    return outputs;
  }

  const char* name() const override { return "DavitHook"; }
  // Two hooks are never the same, or common subexpression elimination would merge them.
  bool is_equivalent(const Primitive&) const override { return false; }
  std::vector<mx::Shape> output_shapes(const std::vector<mx::array>& inputs) override {
    std::vector<mx::Shape> shapes;
    if (passes_values_) {
      for (size_t i = 0; i + 1 < inputs.size(); ++i) shapes.push_back(inputs[i].shape());
    }
    shapes.push_back({0});
    return shapes;
  }

 private:
  const int site_;
  HookCursor& cursor_;
  const bool passes_values_;
  const bool gpu_ = mx::default_device() == mx::Device::gpu;
};

}  // namespace

Hooked hook(const std::vector<mx::array>& values, const mx::array& token, int site,
            HookCursor& cursor, bool passes_values) {
  auto stream = mx::default_stream(mx::Device::cpu);
  auto primitive = std::make_shared<Hook>(stream, site, cursor, passes_values);
  std::vector<mx::array> inputs = values;
  inputs.push_back(token);
  if (!passes_values) return {values, mx::array({0}, mx::uint8, primitive, std::move(inputs))};
  std::vector<mx::Shape> shapes;
  std::vector<mx::Dtype> dtypes;
  for (const auto& value : values) {
    shapes.push_back(value.shape());
    dtypes.push_back(value.dtype());
  }
  shapes.push_back({0});
  dtypes.push_back(mx::uint8);
  auto outputs = mx::array::make_arrays(std::move(shapes), dtypes, primitive, inputs);
  auto next = outputs.back();
  outputs.pop_back();
  return {std::move(outputs), std::move(next)};
}

std::vector<mx::array> hook_gradient(
    const std::vector<mx::array>& values,
    std::function<std::vector<mx::array>(std::vector<mx::array>)> seen) {
  auto identity = [](const std::vector<mx::array>& inputs) { return inputs; };
  auto watched = mx::custom_vjp(
      identity, [seen = std::move(seen)](
                    const std::vector<mx::array>&, const std::vector<mx::array>& cotangents,
                    const std::vector<mx::array>&) { return seen(cotangents); });
  return watched(values);
}

bool is_hook(const mx::Primitive& primitive) {
  return dynamic_cast<const Hook*>(&primitive) != nullptr;
}

mx::array first_token() { return mx::array(std::initializer_list<int>{}, mx::uint8); }

}  // namespace davit
