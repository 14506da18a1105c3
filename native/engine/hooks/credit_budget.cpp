#include "engine/hooks/credit_budget.h"

#include <algorithm>
#include <utility>

namespace davit {

bool CreditBudget::fits(int64_t bytes) const {
  return closed_ || in_flight_ == 0 || in_flight_ + bytes <= budget_;
}

bool CreditBudget::reserve(int64_t bytes, std::function<void()> resume) {
  std::lock_guard lock(mutex_);
  if (fits(bytes)) {
    in_flight_ += bytes;
    return true;
  }
  waiting_.push_back(std::move(resume));
  return false;
}

bool CreditBudget::try_reserve(int64_t bytes) {
  std::lock_guard lock(mutex_);
  if (!fits(bytes)) return false;
  in_flight_ += bytes;
  return true;
}

void CreditBudget::force(int64_t bytes) {
  std::lock_guard lock(mutex_);
  in_flight_ += bytes;
}

void CreditBudget::release(int64_t bytes) {
  std::vector<std::function<void()>> woken;
  {
    std::lock_guard lock(mutex_);
    in_flight_ = std::max<int64_t>(0, in_flight_ - bytes);
    woken.swap(waiting_);
  }
  for (auto& resume : woken) resume();
}

void CreditBudget::wake() { release(0); }

void CreditBudget::close() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  wake();
}

bool CreditBudget::idle() const {
  std::lock_guard lock(mutex_);
  return in_flight_ == 0 || closed_;
}

}  // namespace davit
