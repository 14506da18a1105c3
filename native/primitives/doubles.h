// Functions of float64, which MLX's kernels compute with the precision of float32.
#pragma once

#include "ops/registry.h"

namespace davit {

// Puts an exact one in the place of a primitive that computes exp, sin, cos, erf, the inverse of
// erf or sigmoid of float64. Returns whether it did.
bool replace_doubles(Arrays& outputs);

}  // namespace davit
