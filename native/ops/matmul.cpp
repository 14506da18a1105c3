// Products of matrices and their relatives.
#include <algorithm>

#include "ops/guards.h"

namespace davit {

namespace {

using Product = mx::array (*)(const mx::array&, const mx::array&, mx::StreamOrDevice);

struct ProductRow {
  const char* name;
  Product op;
};

const ProductRow kProducts[] = {
    {"matmul", mx::matmul},
    {"inner", mx::inner},
    {"outer", mx::outer},
    {"kron", mx::kron},
};

mx::array addmm(const OpCall& call) {
  return mx::addmm(call[0], call[1], call[2], static_cast<float>(call.number("alpha")),
                   static_cast<float>(call.number("beta")), call.stream());
}

mx::array tensordot(const OpCall& call) {
  if (call.has("axes_a") || call.has("axes_b")) {
    return mx::tensordot(call[0], call[1], call.integers("axes_a"), call.integers("axes_b"),
                         call.stream());
  }
  return mx::tensordot(call[0], call[1], call.integer("axes"), call.stream());
}

// MLX's sums over nothing may not end.
mx::array einsum(const OpCall& call) {
  auto operands = call.all();
  auto out = mx::einsum(call.text("subscripts"), operands, call.stream());
  bool nothing = std::any_of(operands.begin(), operands.end(),
                             [](const auto& operand) { return operand.size() == 0; });
  return nothing ? zeros_for(out, call.stream()) : out;
}

mx::array block_masked_mm(const OpCall& call) {
  return mx::block_masked_mm(call[0], call[1], call.integer("block_size"), call.optional(2),
                             call.optional(3), call.optional(4), call.stream());
}

mx::array gather_mm(const OpCall& call) {
  auto out = mx::gather_mm(call[0], call[1], matrix_indices(call, 2, call[0]),
                           matrix_indices(call, 3, call[1]), sorted_indices(call), call.stream());
  return unless_empty(out, call.stream());
}

mx::array segmented_mm(const OpCall& call) {
  auto s = call.stream();
  auto segments = clamp_unwrapped(call[2], call[0].shape(-1), 0, s);
  // Of half-precision operands that lie column by column MLX takes the wrong segment.
  auto a = mx::contiguous(call[0], false, s), b = mx::contiguous(call[1], false, s);
  auto out = mx::segmented_mm(a, b, segments, s);
  return out.size() == 0 || call[0].size() == 0 ? zeros_for(out, s) : out;
}

mx::array hadamard_transform(const OpCall& call) {
  std::optional<float> scale;
  if (call.has("scale")) scale = static_cast<float>(call.number("scale"));
  return mx::hadamard_transform(call[0], scale, call.stream());
}

}  // namespace

void add_matmul_ops(OpTable& table) {
  for (const auto& row : kProducts) {
    table.add1(row.name,
               [op = row.op](const OpCall& call) { return op(call[0], call[1], call.stream()); });
  }
  table.add1("vecdot", [](const OpCall& call) {
    auto out = mx::vecdot(call[0], call[1], call.integer("axis"), call.stream());
    return call[0].size() == 0 || call[1].size() == 0 ? zeros_for(out, call.stream()) : out;
  });
  table.add1("addmm", addmm);
  table.add1("tensordot", tensordot);
  table.add1("einsum", einsum);
  table.add1("block_masked_mm", block_masked_mm);
  table.add1("gather_mm", gather_mm);
  table.add1("segmented_mm", segmented_mm);
  table.add1("hadamard_transform", hadamard_transform);
}

}  // namespace davit
