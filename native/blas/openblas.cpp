#include "blas/blas.h"

extern "C" {
char* scipy_openblas_get_config();
char* scipy_openblas_get_corename();
int scipy_openblas_get_num_threads();
void scipy_openblas_set_num_threads(int count);
}

namespace davit::blas {

std::string config() {
  // The build options name the newest kernels; the core name says which ones this machine runs.
  return std::string(scipy_openblas_get_config()) + " core=" + scipy_openblas_get_corename();
}

int threads() { return scipy_openblas_get_num_threads(); }

void set_threads(int count) { scipy_openblas_set_num_threads(count); }

}  // namespace davit::blas
