// The checks between a traced graph and MLX's kernels.
#pragma once

#include "engine/run/schedule.h"

namespace davit {

// Makes a traced graph safe to compute, in place. MLX's kernels divide by sizes, read past what is
// empty, and hand LAPACK what it does not survive; and derivatives make primitives that no row of
// the op table sees. So every primitive is looked at here, whatever made it. Throws RunError with
// the node at fault where a primitive has no result.
void guard_graph(const std::vector<mlx::core::array>& outputs, PrimitiveSites& sites);

}  // namespace davit
