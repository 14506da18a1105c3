#include "ops/registry.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "dtypes.h"

namespace davit {

namespace {

[[noreturn]] void wrong_kind(std::string_view name, const char* expected) {
  throw OpError("attribute_invalid", "attribute \"" + std::string(name) + "\" is not " + expected);
}

int64_t as_integer(double value, std::string_view name) {
  if (!(std::trunc(value) == value) || std::abs(value) > 9007199254740992.0) {
    wrong_kind(name, "an integer");
  }
  return static_cast<int64_t>(value);
}

int64_t as_integer(const Attribute& attribute, std::string_view name) {
  if (auto* value = std::get_if<double>(&attribute)) return as_integer(*value, name);
  if (auto* value = std::get_if<int64_t>(&attribute)) return *value;
  wrong_kind(name, "an integer");
}

int narrow(int64_t value, std::string_view name) {
  if (value < std::numeric_limits<int>::min() || value > std::numeric_limits<int>::max()) {
    wrong_kind(name, "an integer of 32 bits");
  }
  return static_cast<int>(value);
}

const Attribute& required(const Attribute* attribute, std::string_view name) {
  if (attribute == nullptr) {
    throw OpError("attribute_missing", "attribute \"" + std::string(name) + "\" is missing");
  }
  return *attribute;
}

}  // namespace

const mx::array& OpCall::operator[](size_t index) const {
  if (index >= inputs_.size() || !inputs_[index]) {
    throw OpError("arity_invalid", "operand " + std::to_string(index) + " is missing");
  }
  return *inputs_[index];
}

std::optional<mx::array> OpCall::optional(size_t index) const {
  return index < inputs_.size() ? inputs_[index] : std::nullopt;
}

Arrays OpCall::all() const {
  Arrays arrays;
  arrays.reserve(inputs_.size());
  for (size_t i = 0; i < inputs_.size(); ++i) arrays.push_back((*this)[i]);
  return arrays;
}

const Attribute* OpCall::find(std::string_view name) const {
  auto it = attributes_.find(name);
  if (it == attributes_.end()) return nullptr;
  read_.push_back(it->first);
  return &it->second;
}

bool OpCall::has(std::string_view name) const {
  return attributes_.find(name) != attributes_.end();
}

bool OpCall::flag(std::string_view name) const {
  const auto& attribute = required(find(name), name);
  if (auto* value = std::get_if<bool>(&attribute)) return *value;
  wrong_kind(name, "a boolean");
}

int64_t OpCall::long_integer(std::string_view name) const {
  return as_integer(required(find(name), name), name);
}

int OpCall::integer(std::string_view name) const {
  return narrow(as_integer(required(find(name), name), name), name);
}

std::optional<int> OpCall::optional_integer(std::string_view name) const {
  return has(name) ? std::optional(integer(name)) : std::nullopt;
}

uint64_t OpCall::unsigned_integer(std::string_view name) const {
  const auto& attribute = required(find(name), name);
  if (auto* value = std::get_if<uint64_t>(&attribute)) return *value;
  int64_t value = as_integer(attribute, name);
  if (value < 0) wrong_kind(name, "an integer of 0 or more");
  return static_cast<uint64_t>(value);
}

double OpCall::number(std::string_view name) const {
  const auto& attribute = required(find(name), name);
  if (auto* value = std::get_if<double>(&attribute)) return *value;
  if (auto* value = std::get_if<int64_t>(&attribute)) return static_cast<double>(*value);
  if (auto* value = std::get_if<uint64_t>(&attribute)) return static_cast<double>(*value);
  wrong_kind(name, "a number");
}

std::vector<int64_t> OpCall::long_integers(std::string_view name) const {
  const auto& attribute = required(find(name), name);
  auto* values = std::get_if<std::vector<double>>(&attribute);
  if (values == nullptr) wrong_kind(name, "a list of integers");
  std::vector<int64_t> integers;
  integers.reserve(values->size());
  for (double value : *values) integers.push_back(as_integer(value, name));
  return integers;
}

std::vector<int> OpCall::integers(std::string_view name) const {
  std::vector<int> narrowed;
  for (int64_t value : long_integers(name)) narrowed.push_back(narrow(value, name));
  return narrowed;
}

mx::Shape OpCall::shape(std::string_view name) const {
  auto sizes = integers(name);
  return mx::Shape(sizes.begin(), sizes.end());
}

const std::string& OpCall::text(std::string_view name) const {
  const auto& attribute = required(find(name), name);
  if (auto* value = std::get_if<std::string>(&attribute)) return *value;
  wrong_kind(name, "a string");
}

std::vector<std::string> OpCall::texts(std::string_view name) const {
  const auto& attribute = required(find(name), name);
  if (auto* value = std::get_if<std::vector<std::string>>(&attribute)) return *value;
  wrong_kind(name, "a list of strings");
}

mx::Dtype OpCall::dtype(std::string_view name) const {
  auto dtype = dtype_from_name(text(name));
  if (!dtype) wrong_kind(name, "a dtype");
  return *dtype;
}

mx::Dtype OpCall::dtype(std::string_view name, mx::Dtype fallback) const {
  return has(name) ? dtype(name) : fallback;
}

const std::vector<uint8_t>& OpCall::bytes(std::string_view name) const {
  const auto& attribute = required(find(name), name);
  if (auto* value = std::get_if<std::vector<uint8_t>>(&attribute)) return *value;
  wrong_kind(name, "bytes");
}

mx::Stream OpCall::cpu_stream() const {
  return stream_.device == mx::Device::cpu ? stream_ : mx::default_stream(mx::Device::cpu);
}

std::vector<std::string> OpCall::unread() const {
  std::vector<std::string> names;
  for (const auto& [name, _] : attributes_) {
    if (std::find(read_.begin(), read_.end(), name) == read_.end()) names.push_back(name);
  }
  return names;
}

void OpTable::add(std::string name, Lowering lowering) {
  rows_.emplace(std::move(name), std::move(lowering));
}

void OpTable::add1(std::string name, std::function<mx::array(const OpCall&)> lowering) {
  add(std::move(name),
      [lowering = std::move(lowering)](const OpCall& call) { return Arrays{lowering(call)}; });
}

const Lowering* OpTable::find(std::string_view name) const {
  auto it = rows_.find(name);
  return it == rows_.end() ? nullptr : &it->second;
}

std::vector<std::string> OpTable::names() const {
  std::vector<std::string> names;
  for (const auto& [name, _] : rows_) names.push_back(name);
  return names;
}

const OpTable& op_table() {
  static const OpTable table = [] {
    OpTable rows;
    add_creation_ops(rows);
    add_elementwise_ops(rows);
    add_reduction_ops(rows);
    add_sorting_ops(rows);
    add_shape_ops(rows);
    add_joining_ops(rows);
    add_random_ops(rows);
    add_matmul_ops(rows);
    add_convolution_ops(rows);
    add_slicing_ops(rows);
    add_indexing_ops(rows);
    add_fft_ops(rows);
    add_linalg_ops(rows);
    add_fast_ops(rows);
    add_quantization_ops(rows);
    return rows;
  }();
  return table;
}

}  // namespace davit
