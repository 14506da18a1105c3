// Chooses the instruction set once.
#include <cstdlib>
#include <string_view>

#include "kernels/instructions.h"

namespace davit::kernels {

#if defined(__x86_64__)
const Instructions* instructions_v2();
const Instructions* instructions_v3();
const Instructions* instructions_v4();
#else
const Instructions* instructions_neon();
#endif

namespace {

const Instructions* choose() {
  const char* variable = std::getenv("DAVIT_KERNELS");
  std::string_view wanted = variable == nullptr ? "" : variable;
  if (wanted == "mlx") return nullptr;
#if defined(__x86_64__)
  __builtin_cpu_init();
  bool v2 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
  bool v3 = v2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
            __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("f16c");
  bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
            __builtin_cpu_supports("avx512cd");
  if (v4 && wanted != "v3" && wanted != "v2") return instructions_v4();
  if (v3 && wanted != "v2") return instructions_v3();
  return v2 ? instructions_v2() : nullptr;
#else
  return instructions_neon();
#endif
}

}  // namespace

const Instructions* instructions() {
  static const Instructions* const chosen = choose();
  return chosen;
}

}  // namespace davit::kernels
