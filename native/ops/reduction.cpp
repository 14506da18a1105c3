#include "ops/registry.h"

namespace davit {

void add_reduction_ops(OpTable&) {}

}  // namespace davit
