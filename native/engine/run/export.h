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

struct ExportOptions {
  std::string metadata;
  // Whether the function takes inputs of other sizes than those of its traces.
  bool shapeless = false;
};

// Why a trace was not written; counted from 0.
class ExportError : public RunError {
 public:
  ExportError(size_t trace, FailurePtr failure) : RunError(std::move(failure)), trace_(trace) {}
  size_t trace() const { return trace_; }

 private:
  size_t trace_;
};

// To be called on the thread of a lane that no run is on. Hooks are left out, and a tensor that
// several traces have bound is written once. Throws ExportError, or what MLX throws where the file
// cannot be written; the file is not whole then.
void export_traces(Lane& lane, const std::string& path, const std::vector<ExportedTrace>& traces,
                   const ExportOptions& options);

}  // namespace davit
