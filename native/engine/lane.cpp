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
    case NodeKind::hook:
    case NodeKind::gradient_hook: {
      Arrays same;
      for (const auto& operand : operands) same.push_back(*operand);
      return same;
    }
    default:
      return (*node.lowering)(OpCall(operands, node.attributes, stream));
  }
}

Lane::Lane(Outbox& outbox, Counters& counters, mx::Device device, Thread where)
    : counters_(counters), device_(device), cursor_(outbox) {
  if (where == Thread::callers) {
    make_stream();
    return;
  }
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread;
  int error = pthread_create(&thread, &attributes, &Lane::main, this);
  pthread_attr_destroy(&attributes);
  if (error != 0) {
    throw RunError("lane_failed",
                   std::string("a lane's thread does not start: ") + strerror(error));
  }
}

void* Lane::main(void* lane) {
  static_cast<Lane*>(lane)->loop();
  return nullptr;
}

void Lane::make_stream() {
  stream_ = mx::new_stream(device_);
  mx::set_default_stream(*stream_);
}

void Lane::loop() {
  make_stream();
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
    auto oldest = std::move(variants.front());
    variants.erase(variants.begin());
    erase(oldest);
  }
  auto id = next_compile_id.fetch_add(1);
  // The first call traces; the time it takes is what a user sees as compiling.
  auto order = std::make_shared<std::optional<std::vector<FiringSite>>>();
  std::function<Arrays(const Arrays&)> trace = [this, &program = *program, &function, &segment,
                                                sites, order](const Arrays& inputs) {
    auto begin = std::chrono::steady_clock::now();
    Build state{program, sites, std::nullopt, {}};
    auto outputs = build(state, function, segment, inputs);
    *order = std::move(state.order);
    auto took = std::chrono::steady_clock::now() - begin;
    counters_.compiled.fetch_add(1);
    counters_.compile_microseconds.fetch_add(
        std::chrono::duration_cast<std::chrono::microseconds>(took).count());
    return outputs;
  };
  variants.push_back(
      {sites, id, program, mx::detail::compile(std::move(trace), id), nullptr, order});
  return variants.back();
}

const std::vector<Lane::FiringSite>& Lane::firing_order(const ProgramPtr& program,
                                                        const Function& function,
                                                        const Segment& segment,
                                                        const std::vector<int>& sites) {
  Variant& known = variant(program, function, segment, sites);
  if (!*known.order) {
    // Tracing needs types only: nothing of this is ever evaluated.
    Arrays placeholders;
    for (int value : segment.inputs) {
      const auto& type = function.type_of_value(value);
      placeholders.push_back(mx::array(type.shape, type.dtype, nullptr, {}));
    }
    if (!sites.empty()) placeholders.push_back(mx::array({0}, mx::uint8, nullptr, {}));
    known.function(placeholders);
  }
  return **known.order;
}

const Lane::Compiled& Lane::compiled(const ProgramPtr& program, const Function& function,
                                     const Segment& segment, const std::vector<int>& sites) {
  return variant(program, function, segment, sites).function;
}

std::shared_ptr<const std::vector<Segment>> Lane::pieces(const ProgramPtr& program,
                                                         const Function& function,
                                                         const Segment& segment,
                                                         const std::vector<int>& sites) {
  auto& pieces = variant(program, function, segment, sites).pieces;
  if (!pieces) {
    pieces = std::make_shared<std::vector<Segment>>();
    int first = segment.first;
    for (int i = segment.first; i < segment.last; ++i) {
      int site = function.nodes[static_cast<size_t>(i)].site;
      bool cut = i + 1 == segment.last || std::binary_search(sites.begin(), sites.end(), site);
      if (!cut) continue;
      pieces->push_back(function.segment(first, i + 1));
      first = i + 1;
    }
  }
  return pieces;
}

Arrays Lane::build(Build& state, const Function& function, const Segment& segment,
                   const Arrays& inputs) {
  std::unordered_map<int, mx::array> values;
  for (size_t i = 0; i < segment.inputs.size(); ++i) values.emplace(segment.inputs[i], inputs[i]);
  if (!state.sites.empty()) state.token = inputs.back();
  build_nodes(state, function, segment.first, segment.last, values);
  Arrays results;
  for (int output : segment.outputs) results.push_back(values.at(output));
  if (state.token) results.push_back(*state.token);
  return results;
}

void Lane::build_nodes(Build& state, const Function& function, int first, int last,
                       std::unordered_map<int, mx::array>& values) {
  for (int i = first; i < last; ++i) {
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
    ++state.nodes_since;
    state.work_since += work(node, function);
    bool due = state.nodes_since > kCheckpointNodes || state.work_since > kCheckpointWork;
    if (device_ == mx::Device::cpu && due && !operands.empty() && operands[0]) {
      operands[0] = checkpoint(*operands[0], gate_);
      state.nodes_since = 0;
      state.work_since = 0;
    }
    Arrays outputs;
    try {
      outputs = build_node(state, node, operands);
    } catch (...) {
      auto failure = *current_failure();
      if (failure.site < 0) failure.site = node.site;
      throw RunError(std::make_shared<Failure>(failure));
    }
    bool watched = std::binary_search(state.sites.begin(), state.sites.end(), node.site);
    if (watched && node.kind != NodeKind::gradient_hook) {
      bool used = false;
      for (size_t k = 0; k < outputs.size(); ++k) {
        used = used || function.last_use[static_cast<size_t>(node.first_output) + k] >= 0;
      }
      outputs = hooked(state, node.site, std::move(outputs), used);
    }
    for (size_t k = 0; k < outputs.size(); ++k) {
      values.insert_or_assign(node.first_output + static_cast<int>(k), outputs[k]);
    }
  }
}

Arrays Lane::hooked(Build& state, int site, Arrays values, bool used) {
  FiringSite firing{site, {}};
  for (const auto& value : values) firing.types.push_back(type_of(value));
  state.order.push_back(std::move(firing));
  auto hooked = hook(values, *state.token, site, cursor_, used);
  state.token = std::move(hooked.token);
  return std::move(hooked.values);
}

Arrays Lane::build_node(Build& state, const Node& node,
                        const std::vector<std::optional<mx::array>>& operands) {
  bool derivative = node.kind == NodeKind::vjp || node.kind == NodeKind::jvp;
  bool watched = std::binary_search(state.sites.begin(), state.sites.end(), node.site);
  if (!derivative && !(watched && node.kind == NodeKind::gradient_hook)) {
    return lower(node, operands, *stream_);
  }
  Arrays given;
  for (const auto& operand : operands) given.push_back(*operand);
  if (derivative) return differentiate(state, node, given);
  return watch_gradient(given, [this, &state, site = node.site](Arrays cotangents) {
    return hooked(state, site, std::move(cotangents), true);
  });
}

// Operands: the function's arguments, then a cotangent for each result (vjp) or a tangent for each
// argument of `wrt` (jvp). Outputs: the results, then a gradient for each argument of `wrt` (vjp)
// or a tangent for each result (jvp).
Arrays Lane::differentiate(Build& state, const Node& node, const Arrays& operands) {
  const Function& function = state.program.function(node.functions[0]);
  size_t arguments = function.parameters.size();
  std::vector<size_t> wrt;
  auto it = node.attributes.find("wrt");
  if (it != node.attributes.end()) {
    for (double index : std::get<std::vector<double>>(it->second)) {
      wrt.push_back(static_cast<size_t>(index));
    }
  } else {
    for (size_t i = 0; i < arguments; ++i) wrt.push_back(i);
  }
  auto evaluate_function = [&](const Arrays& primals) {
    std::unordered_map<int, mx::array> values;
    for (size_t i = 0; i < arguments; ++i) values.emplace(static_cast<int>(i), operands[i]);
    for (size_t i = 0; i < wrt.size(); ++i) {
      values.insert_or_assign(static_cast<int>(wrt[i]), primals[i]);
    }
    build_nodes(state, function, 0, static_cast<int>(function.nodes.size()), values);
    Arrays results;
    for (int result : function.results) results.push_back(values.at(result));
    return results;
  };
  Arrays primals;
  for (size_t index : wrt) primals.push_back(operands[index]);
  Arrays directions(operands.begin() + static_cast<std::ptrdiff_t>(arguments), operands.end());
  auto [results, derivatives] = node.kind == NodeKind::vjp
                                    ? mx::vjp(evaluate_function, primals, directions)
                                    : mx::jvp(evaluate_function, primals, directions);
  Arrays outputs = std::move(results);
  outputs.insert(outputs.end(), derivatives.begin(), derivatives.end());
  return outputs;
}

void Lane::erase(const Variant& variant) {
  mx::detail::compile_erase(mx::detail::compile_cache(), variant.compile_id);
  if (!variant.pieces) return;
  for (const Segment& piece : *variant.pieces) {
    auto of_piece = variants_.extract(piece.id);
    if (!of_piece) continue;
    for (const auto& each : of_piece.mapped()) erase(each);
  }
}

void Lane::forget(int64_t program) {
  std::erase_if(variants_, [&](auto& entry) {
    auto& variants = entry.second;
    if (!variants.empty() && variants.front().program->id() != program) return false;
    for (const auto& variant : variants) {
      mx::detail::compile_erase(mx::detail::compile_cache(), variant.compile_id);
    }
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
