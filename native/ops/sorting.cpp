// Sorting, partitioning and searching.
#include "ops/registry.h"

namespace davit {

namespace {

using Sort = mx::array (*)(const mx::array&, int, mx::StreamOrDevice);
using Partition = mx::array (*)(const mx::array&, int, int, mx::StreamOrDevice);

template <Sort op>
mx::array along_axis(const OpCall& call) {
  return op(call[0], call.integer("axis"), call.stream());
}

template <Partition op>
mx::array partitioned(const OpCall& call) {
  return op(call[0], call.integer("kth"), call.integer("axis"), call.stream());
}

Arrays unique(const OpCall& call) {
  return mx::unique(call[0], call.integer("size"), call.flag("return_index"),
                    call.flag("return_inverse"), call.flag("return_counts"), call.optional(1),
                    call.stream());
}

}  // namespace

void add_sorting_ops(OpTable& table) {
  table.add1("sort", along_axis<mx::sort>);
  table.add1("argsort", along_axis<mx::argsort>);
  table.add1("partition", partitioned<mx::partition>);
  table.add1("argpartition", partitioned<mx::argpartition>);
  table.add1("topk", [](const OpCall& call) {
    return mx::topk(call[0], call.integer("k"), call.integer("axis"), call.stream());
  });
  table.add1("searchsorted", [](const OpCall& call) {
    return mx::searchsorted(call[0], call[1], call.text("side"), call.stream());
  });
  table.add("unique", unique);
}

}  // namespace davit
