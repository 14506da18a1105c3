// Primitives of nothing: those whose results are empty, and those whose results are not although an
// operand is.
#pragma once

#include "ops/registry.h"

namespace davit {

// Puts what the outputs of a primitive are in its place where they follow from shapes alone: what
// is empty stays empty, a sum over nothing is 0, a tensor updated with nothing stays as it is.
// Returns whether it did. Throws OpError where there is nothing to take elements from.
bool replace_empty(Arrays& outputs);

}  // namespace davit
