// The segments that a lane has compiled, and their evaluation.
#include <mlx/compile_impl.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>

#include "blas/blas.h"
#include "engine/run/lane.h"
#include "kernels/fuse.h"
#include "primitives/graph.h"

namespace davit {

namespace {

// A segment keeps this many variants (sets of watched nodes); the oldest goes first.
constexpr size_t kVariants = 8;
// Beyond so many nodes a segment becomes a schedule as it is. MLX would merge its common
// subexpressions, which takes 4 s in a chain of 100,000 nodes and saves 15 ms of the 75 of each
// run.
constexpr int kLargestSimplified = 16 << 10;
std::atomic<std::uintptr_t> next_compile_id{1};

// A traced function with its common subexpressions merged by MLX. Where many nodes share an operand
// MLX may merge a node into one that it took out before, and then misses it in the graph. Such a
// function is traced as it is, each time.
std::function<Arrays(const Arrays&)> simplified_where_possible(
    std::function<Arrays(const Arrays&)> trace, std::uintptr_t id) {
  return [compiled = mx::detail::compile(trace, id), trace,
          missed = false](const Arrays& inputs) mutable {
    if (!missed) {
      try {
        return compiled(inputs);
      } catch (const std::out_of_range&) {
        missed = true;
      }
    }
    return trace(inputs);
  };
}

}  // namespace

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
  auto told = std::make_shared<std::optional<Trace>>();
  std::function<Arrays(const Arrays&)> trace = [this, &program = *program, &function, &segment,
                                                sites, told](const Arrays& inputs) {
    auto begin = std::chrono::steady_clock::now();
    Build state{program, sites, std::nullopt, {}};
    auto outputs = build(state, function, segment, inputs);
    guard_graph(outputs, state.trace.sites);
    if (!inline_streams_) note_failures(outputs, state.trace.sites, stream_failure_);
    *told = std::move(state.trace);
    auto took = std::chrono::steady_clock::now() - begin;
    counters_.compiled.fetch_add(1);
    counters_.compile_microseconds.fetch_add(
        std::chrono::duration_cast<std::chrono::microseconds>(took).count());
    return outputs;
  };
  bool simplified = !inline_streams_ || segment.last - segment.first <= kLargestSimplified;
  if (simplified) trace = simplified_where_possible(std::move(trace), id);
  variants.push_back({sites, id, program, std::move(trace), nullptr, told, nullptr});
  return variants.back();
}

const std::vector<Lane::EventSite>& Lane::event_order(const ProgramPtr& program,
                                                      const Function& function,
                                                      const Segment& segment,
                                                      const std::vector<int>& sites) {
  Variant& known = variant(program, function, segment, sites);
  if (!*known.trace) known.function(placeholders(function, segment, !sites.empty()));
  return (*known.trace)->order;
}

Arrays Lane::placeholders(const Function& function, const Segment& segment, bool token) {
  Arrays arrays;
  for (int value : segment.inputs) {
    const auto& type = function.type_of_value(value);
    arrays.push_back(mx::array(type.shape, type.dtype, nullptr, {}));
  }
  if (token) arrays.push_back(mx::array({0}, mx::uint8, nullptr, {}));
  return arrays;
}

std::shared_ptr<const Schedule> Lane::schedule(const ProgramPtr& program, const Function& function,
                                               const Segment& segment,
                                               const std::vector<int>& sites) {
  if (!inline_streams_) return nullptr;
  Variant& known = variant(program, function, segment, sites);
  if (!known.schedule) {
    auto traced = placeholders(function, segment, !sites.empty());
    auto outputs = known.function(traced);
    auto& sites_of = (*known.trace)->sites;
    kernels::fuse(outputs, [&](auto* original, auto* fused) {
      if (auto at = sites_of.extract(original)) sites_of.insert_or_assign(fused, at.mapped());
    });
    known.schedule = std::make_shared<const Schedule>(traced, outputs, sites_of);
    // The schedule has all of it.
    mx::detail::compile_erase(mx::detail::compile_cache(), known.compile_id);
  }
  return known.schedule;
}

Arrays Lane::launch(const ProgramPtr& program, const Function& function, const Segment& segment,
                    const std::vector<int>& sites, Arrays inputs, const CancelFlag& cancel) {
  if (auto known = schedule(program, function, segment, sites)) {
    blas::Share share;
    return known->run(std::move(inputs), cancel);
  }
  Variant& known = variant(program, function, segment, sites);
  auto outputs = known.function(inputs);
  launched_ = known.trace;
  return outputs;
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
  if (inline_streams_) return;
  blas::Share share;
  gate_.begin(&cancel);
  stream_failure_.forget();
  try {
    mx::eval(arrays);
    gate_.begin(nullptr);
  } catch (...) {
    auto failure = *current_failure();
    // Arrays of this run that were launched may still be computing; nothing of them is kept.
    try {
      mx::synchronize(*stream_);
      if (device_ != mx::Device::cpu) mx::synchronize(mx::default_stream(mx::Device::cpu));
    } catch (...) {
      // The same failure again, by way of the stream.
    }
    gate_.begin(nullptr);
    if (failure.code == "mlx_failed" || failure.code == "memory_exhausted")
      failure.site = failed_site(arrays);
    throw RunError(std::make_shared<Failure>(std::move(failure)));
  }
}

// The node at which an evaluation failed, -1 where it is not known.
int Lane::failed_site(const Arrays& arrays) const {
  if (!launched_ || !*launched_) return -1;
  int site = unlaunched_site(arrays, (*launched_)->sites);
  return site >= 0 ? site : stream_failure_.site();
}

}  // namespace davit
