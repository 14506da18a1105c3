#include "engine/lane.h"

#include <mlx/compile_impl.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <thread>

#include "blas/blas.h"
#include "interpose/interpose.h"

namespace davit {

namespace {

// compile() recurses over the graph: 64 MiB is enough for 250,000 nodes in a chain.
constexpr size_t kStackBytes = 64 << 20;
// A segment keeps this many variants (sets of watched nodes); the oldest goes first.
constexpr size_t kVariants = 8;
// A checkpoint comes after this many nodes or this much work, whichever is first.
constexpr int kCheckpointNodes = 32;
constexpr double kCheckpointWork = 5e8;

std::atomic<std::uintptr_t> next_compile_id{1};

// One BLAS call uses all cores when one lane computes, and one when several do.
class BlasShare {
 public:
  BlasShare() { change(+1); }
  ~BlasShare() { change(-1); }

 private:
  static void change(int by) {
    static std::mutex mutex;
    static int computing = 0;
    static int current = 0;
    std::lock_guard lock(mutex);
    computing += by;
    int wanted = computing > 1 ? 1 : static_cast<int>(std::thread::hardware_concurrency());
    if (wanted == current) return;
    current = wanted;
    blas::set_threads(wanted);
  }
};

double elements(const TensorType& type) {
  double count = 1;
  for (auto size : type.shape) count *= size;
  return count;
}

// A rough count of multiplications, to place checkpoints by.
double work(const Node& node, const Function& function) {
  double outputs = 0;
  for (const auto& type : node.outputs) outputs += elements(type);
  if (node.inputs.empty() || node.inputs[0] < 0) return outputs;
  const auto& first = function.type_of_value(node.inputs[0]);
  auto is = [&](std::string_view part) { return node.op.find(part) != std::string::npos; };
  if (is("linalg")) return std::pow(elements(first), 1.5);
  if (is("conv") && node.inputs.size() > 1) {
    return outputs * elements(function.type_of_value(node.inputs[1])) /
           std::max(1.0, node.outputs[0].shape.empty() ? 1.0 : node.outputs[0].shape.back());
  }
  if (is("matmul") || is("mm") || is("einsum") || is("tensordot") || is("attention")) {
    return outputs * (first.shape.empty() ? 1 : first.shape.back());
  }
  return outputs;
}

mx::array constant(const Node& node) {
  auto array = allocate_array(node.outputs[0]);
  auto it = node.attributes.find("data");
  if (it == node.attributes.end()) throw OpError("constant_missing", "a constant has no data");
  const auto& data = std::get<std::vector<uint8_t>>(it->second);
  if (data.size() != array.nbytes()) {
    throw OpError("constant_invalid", "a constant " + to_string(node.outputs[0]) + " has " +
                                          std::to_string(data.size()) + " bytes");
  }
  if (!data.empty()) std::memcpy(array.data<uint8_t>(), data.data(), data.size());
  return array;
}

}  // namespace

Arrays lower(const Node& node, const std::vector<std::optional<mx::array>>& operands,
             mx::Stream stream) {
  switch (node.kind) {
    case NodeKind::constant:
      return {constant(node)};
    case NodeKind::hook: {
      Arrays same;
      for (const auto& operand : operands) same.push_back(*operand);
      return same;
    }
    default:
      return (*node.lowering)(OpCall(operands, node.attributes, stream));
  }
}

Lane::Lane(Outbox& outbox, Counters& counters, mx::Device device)
    : counters_(counters), device_(device), cursor_(outbox) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread;
  int error = pthread_create(&thread, &attributes, &Lane::main, this);
  pthread_attr_destroy(&attributes);
  if (error != 0) {
    throw RunError("lane_failed", std::string("a lane's thread does not start: ") + strerror(error));
  }
}

void* Lane::main(void* lane) {
  static_cast<Lane*>(lane)->loop();
  return nullptr;
}

void Lane::loop() {
  stream_ = mx::new_stream(device_);
  mx::set_default_stream(*stream_);
  for (;;) {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex_);
      posted_.wait(lock, [&] { return !tasks_.empty(); });
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

void Lane::post(std::function<void()> task) {
  {
    std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  posted_.notify_one();
}

Lane::Variant& Lane::variant(const ProgramPtr& program, const Function& function,
                             const Segment& segment, const std::vector<int>& sites) {
  auto& variants = variants_[segment.id];
  for (auto& variant : variants) {
    if (variant.sites == sites) return variant;
  }
  if (variants.size() >= kVariants) {
    erase(variants.front());
    variants.erase(variants.begin());
  }
  auto id = next_compile_id.fetch_add(1);
  // The first call traces; the time it takes is what a user sees as compiling.
  std::function<Arrays(const Arrays&)> trace = [this, &function, &segment,
                                                sites](const Arrays& inputs) {
    auto begin = std::chrono::steady_clock::now();
    auto outputs = build(function, segment, sites, inputs);
    auto took = std::chrono::steady_clock::now() - begin;
    counters_.compiled.fetch_add(1);
    counters_.compile_microseconds.fetch_add(
        std::chrono::duration_cast<std::chrono::microseconds>(took).count());
    return outputs;
  };
  variants.push_back({sites, id, program, mx::detail::compile(std::move(trace), id), {}});
  return variants.back();
}

const Lane::Compiled& Lane::compiled(const ProgramPtr& program, const Function& function,
                                     const Segment& segment, const std::vector<int>& sites) {
  return variant(program, function, segment, sites).function;
}

const std::vector<Segment>& Lane::pieces(const ProgramPtr& program, const Function& function,
                                         const Segment& segment, const std::vector<int>& sites) {
  auto& pieces = variant(program, function, segment, sites).pieces;
  if (pieces.empty()) {
    int first = segment.first;
    for (int i = segment.first; i < segment.last; ++i) {
      int site = function.nodes[static_cast<size_t>(i)].site;
      bool cut = i + 1 == segment.last || std::binary_search(sites.begin(), sites.end(), site);
      if (!cut) continue;
      pieces.push_back(function.segment(first, i + 1));
      first = i + 1;
    }
  }
  return pieces;
}

Arrays Lane::build(const Function& function, const Segment& segment,
                   const std::vector<int>& sites, const Arrays& inputs) {
  std::unordered_map<int, mx::array> values;
  for (size_t i = 0; i < segment.inputs.size(); ++i) values.emplace(segment.inputs[i], inputs[i]);
  std::optional<mx::array> token;
  if (!sites.empty()) token = inputs.back();

  bool checkpoints = device_ == mx::Device::cpu;
  int nodes_since = 0;
  double work_since = 0;
  for (int i = segment.first; i < segment.last; ++i) {
    const Node& node = function.nodes[static_cast<size_t>(i)];
    if (node.kind == NodeKind::bound_constant) continue;
    std::vector<std::optional<mx::array>> operands;
    for (int input : node.inputs) {
      if (input < 0) {
        operands.emplace_back();
      } else {
        operands.emplace_back(values.at(input));
      }
    }
    ++nodes_since;
    work_since += work(node, function);
    bool due = nodes_since > kCheckpointNodes || work_since > kCheckpointWork;
    if (checkpoints && due && !operands.empty() && operands[0]) {
      operands[0] = checkpoint(*operands[0], gate_);
      nodes_since = 0;
      work_since = 0;
    }
    Arrays outputs;
    try {
      outputs = lower(node, operands, *stream_);
    } catch (...) {
      auto failure = *current_failure();
      failure.site = node.site;
      throw RunError(std::make_shared<Failure>(failure));
    }
    if (std::binary_search(sites.begin(), sites.end(), node.site)) {
      bool used = false;
      for (size_t k = 0; k < outputs.size(); ++k) {
        used = used || function.last_use[static_cast<size_t>(node.first_output) + k] >= 0;
      }
      auto hooked = hook(outputs, *token, node.site, cursor_, used);
      outputs = std::move(hooked.values);
      token = std::move(hooked.token);
    }
    for (size_t k = 0; k < outputs.size(); ++k) {
      values.insert_or_assign(node.first_output + static_cast<int>(k), outputs[k]);
    }
  }
  Arrays results;
  for (int output : segment.outputs) results.push_back(values.at(output));
  if (token) results.push_back(*token);
  return results;
}

void Lane::erase(const Variant& variant) {
  mx::detail::compile_erase(mx::detail::compile_cache(), variant.compile_id);
}

void Lane::forget(int64_t program) {
  std::erase_if(variants_, [&](auto& entry) {
    auto& variants = entry.second;
    if (variants.empty() || variants.front().program->id() != program) return variants.empty();
    for (const auto& variant : variants) erase(variant);
    return true;
  });
}

void Lane::evaluate(const Arrays& arrays, const CancelFlag& cancel) {
  BlasShare share;
  gate_.begin(&cancel);
  try {
    mx::eval(arrays);
    interpose::check_streams();
    gate_.begin(nullptr);
  } catch (...) {
    // Arrays of this run that were launched may still be computing; nothing of them is kept.
    try {
      mx::synchronize(*stream_);
      if (device_ != mx::Device::cpu) mx::synchronize(mx::default_stream(mx::Device::cpu));
    } catch (...) {
      // The same failure again, by way of the stream.
    }
    cursor_.abandon();
    gate_.begin(nullptr);
    throw;
  }
}

}  // namespace davit
