// Lets a thread that is out of memory have the JavaScript thread collect garbage.
#pragma once

#include <napi.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

namespace davit::node {

class Relief {
 public:
  // `collect` collects on the environment's thread; `later` is JavaScript's: it calls its argument
  // back when what collected buffers held was given back.
  Relief(Napi::Env env, std::function<void()> collect, Napi::Function later);

  // From any thread: returns when garbage was collected, or when the environment is gone. On the
  // environment's own thread it collects and returns.
  void ask();

  // For the end of the environment: lets all waiting threads go on.
  void end();

 private:
  void take(Napi::Env env, Napi::Function later);
  void answer(int64_t asked);

  const std::function<void()> collect_;
  const std::thread::id thread_ = std::this_thread::get_id();
  Napi::ThreadSafeFunction call_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t asked_ = 0;
  int64_t taken_ = 0;  // those asked before the last collection began
  int64_t answered_ = 0;
  bool gone_ = false;
};

}  // namespace davit::node
