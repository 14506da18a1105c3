// Why a run or a tensor failed.
#pragma once

#include <exception>
#include <memory>
#include <string>

namespace davit {

// `code` is stable; `site` is the number of the node at fault, -1 where none is known.
struct Failure {
  std::string code;
  std::string message;
  int site = -1;
};

using FailurePtr = std::shared_ptr<const Failure>;

// Thrown inside a run; what leaves the run is its failure.
class RunError : public std::exception {
 public:
  explicit RunError(FailurePtr failure) : failure_(std::move(failure)) {}
  RunError(std::string code, std::string message, int site = -1)
      : failure_(std::make_shared<Failure>(Failure{std::move(code), std::move(message), site})) {}
  const char* what() const noexcept override { return failure_->message.c_str(); }
  const FailurePtr& failure() const { return failure_; }

 private:
  FailurePtr failure_;
};

// The failure that the exception being handled stands for; call it in a catch block.
FailurePtr current_failure();

}  // namespace davit
