// The passes over the functions of a program before they are cut into segments.
#pragma once

#include <vector>

#include "engine/program/program.h"

namespace davit {

// Fills in what follows from the op's name; throws OpError where there is no such op.
void classify(Node& node);

// Copies nodes of one function into another; `values` maps its value numbers and grows.
void append_nodes(Function& target, int& next_value, const Function& source,
                  std::vector<int>& values);

// Puts the nodes of called functions in the place of the calls. Functions refer only to later ones,
// so `functions` after this one are already free of calls. What is copied keeps its sites.
void inline_calls(Function& caller, const std::vector<Function>& functions);

// Puts a hook with the same site behind every watchable node that is no part of a segment: control
// nodes, callbacks and bound constants. A hook that nobody watches costs nothing.
void put_hooks_behind(Function& function);

}  // namespace davit
