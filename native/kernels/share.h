// Work of a kernel that several threads share.
#pragma once

#include <cstddef>
#include <functional>

namespace davit::kernels {

// Calls `part(begin, end)` for ranges that together are 0 to `count`, on several threads where
// there are so many nanoseconds of work that it is worth it. What a part throws is thrown here. A
// cancel is seen between two parts (threads::StopScope).
void share_work(double work, size_t count, const std::function<void(size_t, size_t)>& part);

}  // namespace davit::kernels
