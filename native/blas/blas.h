// The BLAS behind MLX's matrix products and factorisations on the CPU.
#pragma once

#include <string>

namespace davit::blas {

// Name, version and build options of the BLAS in use, as it describes itself.
std::string config();

// Threads that one BLAS call may use; 0 where the BLAS decides by itself (Accelerate).
int threads();

// Sets threads() for all calls that begin from now on, in the whole process. No effect where the
// BLAS decides by itself.
void set_threads(int count);

}  // namespace davit::blas
