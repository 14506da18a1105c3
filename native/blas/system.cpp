#include "blas/blas.h"

namespace davit::blas {

std::string config() {
#ifdef __APPLE__
  return "Accelerate";
#else
  return "the BLAS that libmlx was linked with";
#endif
}

int threads() { return 0; }

void set_threads(int) {}

}  // namespace davit::blas
