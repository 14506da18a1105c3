// Runs programs, tile by tile, on one or several threads.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "kernels/places.h"
#include "kernels/program.h"
#include "kernels/space.h"

namespace davit::kernels {

inline size_t quotient_up(size_t a, size_t b) { return (a + b - 1) / b; }

// What all runs of a program have in common whose inputs lie in memory alike.
class Execution {
 public:
  // `strides` are those of the inputs along the space. The program stays where it is as long as
  // this lives.
  Execution(const Program& program, const Space& space, std::vector<Strides> strides);

  // Computes the outputs, which lie row by row without gaps. An output may be the memory of an
  // input of the same layout and item size, where may_overwrite() says so.
  void run(std::span<const void* const> inputs, std::span<void* const> outputs) const;

  // Whether one thread does all of it.
  bool is_small() const;

 private:
  friend class Worker;
  friend class Repetition;

  // How a port is read or written.
  struct Access {
    Walk walk;
    bool wide;
    bool direct;  // a tile of it lies without gaps
    bool same;    // all tiles have the same elements of it
  };

  void choose_tile();
  Access access_of(const Port& port, const Walk& walk) const;
  Tile tile(size_t number) const;
  size_t tiles() const;
  void run_tiles(std::span<const void* const> inputs, std::span<void* const> outputs) const;
  void run_parts(std::span<const void* const> inputs, std::span<void* const> outputs) const;
  size_t scratch_bytes() const { return places_.bytes + half_bytes_; }
  const Program& program() const { return divided_ ? *divided_ : original_; }

  const Program& original_;
  // Where columns are reduced in parts: the program whose narrow outputs have a number for each
  // part, not rounded to halves.
  std::shared_ptr<const Program> divided_;
  Dimensions dimensions_;
  size_t outers_;
  size_t middles_;
  // The greatest tile.
  size_t tile_outers_ = 1;
  size_t tile_middles_ = 1;
  size_t tile_inners_ = 1;
  std::vector<Access> inputs_;
  std::vector<Access> outputs_;
  Places places_;
  size_t half_bytes_ = 0;
  double work_;  // nanoseconds, roughly
};

}  // namespace davit::kernels
