// Functions of libmlx that the addon puts its own in front of, on Linux.
//
// A library's calls of its own exported functions go through its procedure linkage table, and the
// addon, first in its lookup scope, may define them too (native/blas does the same for BLAS). Where
// a build of MLX does not allow it, nothing changes: the probe finds out, and MLX works as it
// always does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

namespace davit::interpose {

// Tasks of CPU streams run at once on the thread that dispatches them, instead of on a thread of
// each stream: two thread switches less for every evaluation. Only for engines whose arrays all
// live on the CPU, where the order of dispatch is the order of execution anyway. Returns whether it
// took effect.
bool run_streams_inline();

// Returns whether they do: a task for a CPU stream is done when its dispatch returns.
bool streams_inline();

// Throws what a task of this thread's inline streams threw since the last call; for after an
// evaluation.
void check_streams();

// For after an evaluation that threw by itself: what its tasks threw before is not the next one's.
void forget_stream_errors();

// Allocations that fail, or would go beyond the limit, throw; MLX alone returns null and crashes.
// 0 means no limit. Returns whether it took effect.
bool limit_allocations(size_t bytes);

// Sets what an allocation that finds no memory does before it is tried once more: on this thread,
// and on those that have nothing of their own.
void relieve_thread_by(std::function<void()> relief);
void relieve_others_by(std::function<void()> relief);

// Checks of buffers, so that tests see a kernel that reads or writes where it may not.
struct AllocationChecks {
  bool guard_pages = false;       // DAVIT_GUARD_PAGES=1: each ends at a page that cannot be touched
  std::optional<uint8_t> poison;  // DAVIT_POISON=BYTE: what fresh memory holds
};

// The checks that are in effect, found by allocating. Throws std::invalid_argument where the
// environment asks for what cannot be.
AllocationChecks allocation_checks();

}  // namespace davit::interpose
