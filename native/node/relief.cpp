#include "node/relief.h"

#include <algorithm>
#include <utility>

namespace davit::node {

Relief::Relief(Napi::Env env, std::function<void()> collect, Napi::Function later)
    : collect_(std::move(collect)),
      call_(Napi::ThreadSafeFunction::New(env, later, "davit relief", 0, 1)) {
  call_.Unref(env);
}

void Relief::ask() {
  if (std::this_thread::get_id() == thread_) {
    collect_();
    return;
  }
  std::unique_lock lock(mutex_);
  if (gone_) return;
  int64_t mine = ++asked_;
  // Whoever asks while a collection waits for its turn is answered by it.
  if (mine == taken_ + 1) {
    call_.NonBlockingCall([this](Napi::Env env, Napi::Function later) { take(env, later); });
  }
  changed_.wait(lock, [&] { return answered_ >= mine || gone_; });
}

void Relief::take(Napi::Env env, Napi::Function later) {
  if (static_cast<napi_env>(env) == nullptr) return;  // the environment ends
  int64_t asked;
  {
    std::lock_guard lock(mutex_);
    asked = taken_ = asked_;
  }
  collect_();
  try {
    later.Call({Napi::Function::New(
        env, [this, asked](const Napi::CallbackInfo&) { answer(asked); }, "answer")});
  } catch (const Napi::Error&) {
    answer(asked);  // the environment ends, and allows no more calls
  }
}

void Relief::answer(int64_t asked) {
  {
    std::lock_guard lock(mutex_);
    answered_ = std::max(answered_, asked);
  }
  changed_.notify_all();
}

void Relief::end() {
  {
    std::lock_guard lock(mutex_);
    gone_ = true;
  }
  changed_.notify_all();
}

}  // namespace davit::node
