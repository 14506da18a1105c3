// The function of libmlx that one of ours stands in front of.
#pragma once

#include <dlfcn.h>
#include <mlx/version.h>

#include <cstdlib>

namespace davit::interpose {

// Looks a mangled name up in libmlx itself; ends the process where it is missing, since it was
// linked.
template <typename Function>
Function original(const char* name) {
  Dl_info library{};
  ::dladdr(reinterpret_cast<const void*>(&mlx::core::version), &library);
  void* handle = ::dlopen(library.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  void* symbol = handle == nullptr ? nullptr : ::dlsym(handle, name);
  if (symbol == nullptr) std::abort();
  return reinterpret_cast<Function>(symbol);
}

}  // namespace davit::interpose
