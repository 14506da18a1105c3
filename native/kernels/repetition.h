// A small program that runs again and again on one thread, between memory that stays where it is.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "kernels/worker.h"

namespace davit::kernels {

class Repetition {
 public:
  // The execution, whose program stays where it is, is kept.
  Repetition(std::shared_ptr<const Execution> execution, std::vector<const void*> inputs,
             std::vector<void*> outputs);

  void run();

 private:
  const std::shared_ptr<const Execution> execution_;
  const std::vector<const void*> inputs_;
  const std::vector<void*> outputs_;
  struct Free {
    void operator()(std::byte* memory) const;
  };
  const std::unique_ptr<std::byte, Free> memory_;
  std::vector<Tile> tiles_;
  Worker worker_;
};

}  // namespace davit::kernels
