#include "engine/failure.h"

#include <new>
#include <string_view>

#include "ops/registry.h"

namespace davit {

FailurePtr current_failure() {
  try {
    throw;
  } catch (const RunError& error) {
    return error.failure();
  } catch (const OpError& error) {
    return std::make_shared<Failure>(Failure{error.code(), error.what()});
  } catch (const std::bad_alloc&) {
    return std::make_shared<Failure>(Failure{"memory_exhausted", "an allocation failed"});
  } catch (const std::exception& error) {
    // Out of memory on a stream comes as the text of native/interpose/allocator.cpp or of Metal.
    bool memory = std::string_view(error.what()).find("[malloc") != std::string_view::npos;
    return std::make_shared<Failure>(
        Failure{memory ? "memory_exhausted" : "mlx_failed", error.what()});
  }
}

}  // namespace davit
