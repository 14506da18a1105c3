// Writes programs as functions of MLX, in a .mlxfn file.
#pragma once

#include <string>
#include <vector>

#include "engine/run/lane.h"

namespace davit {

// A program that becomes a trace of the file. Its last parameters are given by these names.
struct ExportedTrace {
  ProgramPtr program;
  std::vector<std::string> keywords;
};

// To be called on the thread of a lane that no run is on. Hooks are left out, and a tensor that
// several traces have bound is written once. Throws RunError; the file is not whole then.
void export_traces(Lane& lane, const std::string& path, const std::vector<ExportedTrace>& traces,
                   const std::string& metadata);

}  // namespace davit
