#include "engine/failure.h"

#include <new>

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
    return std::make_shared<Failure>(Failure{"out_of_memory", "an allocation failed"});
  } catch (const std::exception& error) {
    return std::make_shared<Failure>(Failure{"mlx", error.what()});
  }
}

}  // namespace davit
