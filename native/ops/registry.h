// The table of ops: each row lowers one op of the graph to MLX calls.
#pragma once

#include <mlx/mlx.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace davit {

namespace mx = mlx::core;

using Arrays = std::vector<mx::array>;

// A static argument of a node. Integers that came as doubles stay doubles until they are read.
using Attribute = std::variant<bool, double, int64_t, uint64_t, std::string, std::vector<double>,
                               std::vector<std::string>, std::vector<uint8_t>>;
using Attributes = std::map<std::string, Attribute, std::less<>>;

// An error with a stable code, thrown by lowering and turned into a typed error at the addon's
// boundary.
class OpError : public std::runtime_error {
 public:
  OpError(std::string code, const std::string& message)
      : std::runtime_error(message), code_(std::move(code)) {}
  const std::string& code() const { return code_; }

 private:
  std::string code_;
};

// One call of an op: operands, attributes with the table's defaults filled in, and the stream that
// everything must be built on.
class OpCall {
 public:
  OpCall(const std::vector<std::optional<mx::array>>& inputs, const Attributes& attributes,
         mx::Stream stream, bool differentiated = false)
      : inputs_(inputs),
        attributes_(attributes),
        stream_(stream),
        differentiated_(differentiated) {}

  size_t operand_count() const { return inputs_.size(); }
  // The operand at an index; throws OpError("arity_invalid") where it is absent.
  const mx::array& operator[](size_t index) const;
  // The operand at an index, or nothing where it is absent.
  std::optional<mx::array> optional(size_t index) const;
  // Every operand; throws where one is absent.
  Arrays all() const;

  bool has(std::string_view name) const;
  bool flag(std::string_view name) const;
  int integer(std::string_view name) const;
  int64_t long_integer(std::string_view name) const;
  std::optional<int> optional_integer(std::string_view name) const;
  uint64_t unsigned_integer(std::string_view name) const;
  double number(std::string_view name) const;
  std::vector<int> integers(std::string_view name) const;
  std::vector<int64_t> long_integers(std::string_view name) const;
  mx::Shape shape(std::string_view name) const;
  const std::string& text(std::string_view name) const;
  std::vector<std::string> texts(std::string_view name) const;
  mx::Dtype dtype(std::string_view name) const;
  mx::Dtype dtype(std::string_view name, mx::Dtype fallback) const;
  const std::vector<uint8_t>& bytes(std::string_view name) const;

  mx::Stream stream() const { return stream_; }
  // Whether a derivative is taken of what is built: for rows whose fastest form MLX differentiates
  // wrongly.
  bool differentiated() const { return differentiated_; }
  // The CPU stream for what has no kernel on a GPU (linear algebra).
  mx::Stream cpu_stream() const;
  // Names of attributes that no accessor asked for: lowering ignores what the table documents.
  std::vector<std::string> unread() const;

 private:
  const Attribute* find(std::string_view name) const;

  const std::vector<std::optional<mx::array>>& inputs_;
  const Attributes& attributes_;
  mx::Stream stream_;
  bool differentiated_;
  mutable std::vector<std::string_view> read_;
};

using Lowering = std::function<Arrays(const OpCall&)>;

// Maps op names to their lowering.
class OpTable {
 public:
  void add(std::string name, Lowering lowering);
  // For ops with one output.
  void add1(std::string name, std::function<mx::array(const OpCall&)> lowering);
  const Lowering* find(std::string_view name) const;
  std::vector<std::string> names() const;

 private:
  std::map<std::string, Lowering, std::less<>> rows_;
};

// The whole table, built once.
const OpTable& op_table();

// Each family of native/ops/ adds its rows.
void add_creation_ops(OpTable&);
void add_elementwise_ops(OpTable&);
void add_reduction_ops(OpTable&);
void add_sorting_ops(OpTable&);
void add_shape_ops(OpTable&);
void add_joining_ops(OpTable&);
void add_random_ops(OpTable&);
void add_matmul_ops(OpTable&);
void add_convolution_ops(OpTable&);
void add_slicing_ops(OpTable&);
void add_indexing_ops(OpTable&);
void add_fft_ops(OpTable&);
void add_linalg_ops(OpTable&);
void add_fast_ops(OpTable&);
void add_quantization_ops(OpTable&);

}  // namespace davit
