// Factorizations of matrices, which LAPACK does not survive where they are not finite.
#pragma once

#include "ops/registry.h"

namespace davit {

// Wraps a primitive that calls LAPACK: a matrix with a NaN or an infinity in it, where it would be
// read, is not shown to LAPACK, and the results of it are NaN; those of the other matrices of its
// batch are not touched. Integer results are those of the identity. Returns whether it did.
bool guard_matrices(Arrays& outputs);

}  // namespace davit
