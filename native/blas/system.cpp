#include "blas/blas.h"

namespace davit::blas {

std::string config() {
#ifdef __APPLE__
  return "Accelerate";
#else
  return "the BLAS that libmlx was linked with";
#endif
}

Share::Share() = default;
Share::~Share() = default;

}  // namespace davit::blas
