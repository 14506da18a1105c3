// A loaded program: its functions, cut into segments that are compiled and control nodes that are
// driven between them.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <variant>
#include <vector>

#include "engine/hooks/subscription.h"
#include "engine/value.h"
#include "ops/registry.h"
#include "ops/work.h"
#include "tensor_type.h"

namespace davit {

// How a node is run.
enum class NodeKind {
  op,
  constant,
  bound_constant,
  hook,           // custom_call.hook or .print: returns its operands, and its values are told
  gradient_hook,  // custom_call.hook_gradient: returns its operands, and their cotangents are told
  vjp,            // results and vector-Jacobian products of a straight sub-function
  jvp,            // results and Jacobian-vector products of a straight sub-function
  callback,       // custom_call.callback: waits for a reply
  call,           // of a sub-function
  cond,
  switch_,
  while_,
  for_
};

struct Node {
  NodeKind kind = NodeKind::op;
  std::string op;
  const Lowering* lowering = nullptr;
  Work work = Work::elementwise;
  std::vector<int> inputs;  // value numbers, -1 where an optional operand is absent
  Attributes attributes;
  std::vector<TensorType> outputs;
  int first_output = 0;          // value number
  bool watchable = false;        // whether somebody may ask for its values by its site
  int site = 0;                  // number of the node in the whole program
  std::vector<int> functions;    // sub-functions, by index
  std::vector<int> inner_sites;  // sites of the function that is differentiated
  ValuePtr bound;                // of a bound constant

  bool is_control() const { return kind >= NodeKind::callback; }
};

// A straight run of nodes [first, last) that is compiled as one function.
struct Segment {
  int64_t id = 0;  // unique in the process
  int first = 0;
  int last = 0;
  std::vector<int> inputs;   // values from before it
  std::vector<int> outputs;  // its values that are used after it
  std::vector<int> sites;    // everything in it that may be watched, sorted
};

// A step is a segment or the index of a control node.
using Step = std::variant<Segment, int>;

struct Function {
  std::vector<TensorType> parameters;
  std::vector<Node> nodes;
  std::vector<int> results;

  // Made by prepare():
  int value_count = 0;
  std::vector<int> last_use;  // of each value: index of the last node that uses it, or kResult
  std::vector<Step> steps;
  std::vector<int> bound;  // nodes that are bound constants

  static constexpr int kResult = INT32_MAX;

  // Numbers values and cuts the nodes into steps. Bound constants must be in place.
  void prepare();
  // A segment of its own for nodes [first, last).
  Segment segment(int first, int last) const;
  // The only segment of a function without control flow; null where there is none or are several.
  const Segment* straight() const;
  const TensorType& type_of_value(int value) const;
};

// A `while` whose number of iterations is known when it begins: an integer carry that the predicate
// compares with a bound, and to which the body adds a constant.
struct Counter {
  size_t carry = 0;
  std::optional<size_t> bound_operand;  // operand of the loop that is the bound, or
  int64_t bound = 0;                    // the bound itself
  int64_t step = 0;
  bool inclusive = false;  // <= (or >=) rather than < (or >)

  // Returns the number of iterations from an initial value of so many bits; nothing where the
  // counter would wrap around.
  std::optional<int64_t> trips(int64_t initial, int64_t bound_value, int bits) const;
};

// An integer attribute, whichever way it came; throws OpError.
int64_t integer_attribute(const Node& node, std::string_view name);

class Program {
 public:
  // `functions` come validated and typed; throws OpError where an op is not in the native table.
  Program(int64_t id, std::vector<Function> functions);

  int64_t id() const { return id_; }
  const Function& entry() const { return functions_.front(); }
  const Function& function(int index) const { return functions_[static_cast<size_t>(index)]; }
  // The function that a `while` runs an iteration with: body, then predicate on the new carries.
  // Its results are the carries and the predicate.
  const Function& iteration_of(const Node& loop) const;

  // The counter of a `while`, where one was recognised.
  const Counter* counter_of(const Node& loop) const;

  // Returns whether a run is likely to keep a thread for some microseconds only, or from one
  // callback to the next: it has few nodes, few elements and no loop without callbacks; or no
  // control flow at all, and the last run was over as soon.
  bool is_brief() const { return small_ || brief_.load(std::memory_order_relaxed); }
  // Notes how long a run took, from its beginning to its end.
  void took(std::chrono::nanoseconds time);

  // Throws OpError where a run has another number of inputs.
  void check_input_count(size_t given) const;

  // Tensors that its constants are bound to.
  const std::vector<ValuePtr>& bound_values() const { return bound_values_; }

  // Set when it is unloaded; runs under way go on.
  bool unloaded() const { return unloaded_.load(); }
  void set_unloaded() { unloaded_.store(true); }
  // Lets go of the tensors that its constants are bound to. For when no run needs them any more:
  // lanes forget what they compiled of it some time later.
  void release_bound_values();

  SubscriptionTablePtr subscriptions() const;
  // Sets the sites that a subscription is for, all at once; an empty list takes it out.
  void subscribe(const SubscriptionPtr& subscription, const std::vector<int64_t>& sites);

 private:
  // Notes the sites of a function that is differentiated; throws OpError where it has control flow.
  void check_straight(Node& node);
  Function join(const Node& loop) const;
  std::optional<Counter> recognize(const Node& loop) const;

  const int64_t id_;
  bool small_ = false;
  std::atomic<bool> brief_{false};
  std::atomic<bool> unloaded_{false};
  std::vector<Function> functions_;
  std::vector<ValuePtr> bound_values_;
  std::map<int, Function> iterations_;  // by the loop's site
  std::map<int, Counter> counters_;     // likewise
  mutable std::mutex mutex_;
  SubscriptionTablePtr subscriptions_ = std::make_shared<const SubscriptionTable>();
};

using ProgramPtr = std::shared_ptr<Program>;

}  // namespace davit
