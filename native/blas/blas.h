// The BLAS behind MLX's matrix products and factorisations on the CPU.
#pragma once

#include <string>

namespace davit::blas {

// Name, version and build options of the BLAS in use, as it describes itself.
std::string config();

// Held by a thread that computes. While one does, a call uses all cores that the process may use;
// while several do, each call uses one. No effect where the BLAS decides by itself (Accelerate).
class Share {
 public:
  Share();
  ~Share();
  Share(const Share&) = delete;
};

}  // namespace davit::blas
