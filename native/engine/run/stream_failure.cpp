#include "engine/run/stream_failure.h"

#include <mlx/backend/cpu/encoder.h>

#include <algorithm>
#include <typeinfo>

#include "engine/hooks/hook.h"
#include "traversal.h"

namespace davit {

namespace mx = mlx::core;

namespace {

using Arrays = std::vector<mx::array>;

// A primitive, and behind it on its stream a task that notes whether the stream failed.
class Noted : public mx::Primitive {
 public:
  Noted(std::shared_ptr<mx::Primitive> original, int site, StreamFailure& failure)
      : Primitive(original->stream()),
        original_(std::move(original)),
        site_(site),
        failure_(failure) {}

  void eval_cpu(const Arrays& inputs, Arrays& outputs) override {
    original_->eval_cpu(inputs, outputs);
    mx::cpu::get_command_encoder(stream()).dispatch(
        [stream = stream(), site = site_, &failure = failure_] {
          try {
            // Throws and clears what the stream failed with; thrown on, the stream keeps it.
            mx::scheduler::check_error(stream);
          } catch (...) {
            failure.note(site);
            throw;
          }
        });
  }
  void eval_gpu(const Arrays& inputs, Arrays& outputs) override {
    original_->eval_gpu(inputs, outputs);
  }
  const char* name() const override { return original_->name(); }
  bool is_equivalent(const Primitive& other) const override {
    const auto& same = *original_;
    const auto& that = *static_cast<const Noted&>(other).original_;
    return typeid(same) == typeid(that) && same.is_equivalent(that);
  }
  std::vector<mx::Shape> output_shapes(const Arrays& inputs) override {
    return original_->output_shapes(inputs);
  }

 private:
  const std::shared_ptr<mx::Primitive> original_;
  const int site_;
  StreamFailure& failure_;
};

bool is_unlaunched(const mx::array& array) {
  return array.has_primitive() && array.status() == mx::array::Status::unscheduled;
}

// Returns whether a primitive throws with its operands.
bool throws(const mx::array& array) {
  std::vector<mx::Shape> shapes;
  std::vector<mx::Dtype> dtypes;
  for (const auto& output : array.outputs()) {
    shapes.push_back(output.shape());
    dtypes.push_back(output.dtype());
  }
  try {
    mx::eval(
        mx::array::make_arrays(std::move(shapes), dtypes, array.primitive_ptr(), array.inputs()));
    return false;
  } catch (...) {
    return true;
  }
}

}  // namespace

void note_failures(const Arrays& outputs, PrimitiveSites& sites, StreamFailure& failure) {
  visit_primitives(outputs, [&](mx::array& array) {
    auto original = array.primitive_ptr();
    auto site = sites.find(original.get());
    bool here = original->stream().device == mx::Device::cpu && !is_hook(*original);
    if (here && site != sites.end()) {
      auto noted = std::make_shared<Noted>(original, site->second, failure);
      sites.emplace(noted.get(), site->second);
      for (auto& output : array.outputs()) output.primitive_ptr() = noted;
    }
    return true;
  });
}

int unlaunched_site(const Arrays& outputs, const PrimitiveSites& sites) {
  Arrays candidates;
  visit_primitives(outputs, [&](mx::array& array) {
    if (!is_unlaunched(array)) return false;
    bool ready = std::none_of(array.inputs().begin(), array.inputs().end(), is_unlaunched);
    // A hook does not fail, and would fire again.
    if (ready && !is_hook(array.primitive())) candidates.push_back(array);
    return true;
  });
  auto failed = candidates.begin();
  if (candidates.size() > 1) failed = std::find_if(candidates.begin(), candidates.end(), throws);
  if (failed == candidates.end()) return -1;
  auto site = sites.find(failed->primitive_ptr().get());
  return site == sites.end() ? -1 : site->second;
}

}  // namespace davit
