// Chooses the instruction set once.
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

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

struct Choice {
  std::string_view name;
  const Instructions* table;
};

// Those that this machine can run, the best first, and MLX's own.
std::vector<Choice> choices() {
  std::vector<Choice> known;
#if defined(__x86_64__)
  __builtin_cpu_init();
  bool v2 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
  bool v3 = v2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
            __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("f16c");
  bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
            __builtin_cpu_supports("avx512cd");
  if (v4) known.push_back({"v4", instructions_v4()});
  if (v3) known.push_back({"v3", instructions_v3()});
  if (v2) known.push_back({"v2", instructions_v2()});
#else
  known.push_back({"neon", instructions_neon()});
#endif
  known.push_back({"mlx", nullptr});
  return known;
}

const Instructions* choose() {
  auto known = choices();
  const char* wanted = std::getenv("DAVIT_KERNELS");
  if (wanted == nullptr || *wanted == '\0') return known.front().table;
  std::string names;
  for (const auto& [name, table] : known) {
    if (name == wanted) return table;
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  throw std::invalid_argument("DAVIT_KERNELS is \"" + std::string(wanted) +
                              "\" (expected one of those that this machine can run: " + names +
                              ")");
}

}  // namespace

const Instructions* instructions() {
  static const Instructions* const chosen = choose();
  return chosen;
}

}  // namespace davit::kernels
