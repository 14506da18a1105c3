#include "engine/run/lane.h"

#include <algorithm>
#include <cstring>

namespace davit {

namespace {

// compile() recurses over the graph: 64 MiB is enough for 250,000 nodes in a chain.
constexpr size_t kStackBytes = 64 << 20;

// Streams with threads, which MLX never ends: the lanes that come use those of the lanes that went.
class SpareStreams {
 public:
  mx::Stream take(mx::Device device) {
    std::lock_guard lock(mutex_);
    auto spare = std::ranges::find(spare_, device, &mx::Stream::device);
    if (spare == spare_.end()) return mx::new_thread_unsafe_stream(device);
    auto stream = *spare;
    spare_.erase(spare);
    return stream;
  }

  void give_back(mx::Stream stream) {
    std::lock_guard lock(mutex_);
    spare_.push_back(stream);
  }

 private:
  std::mutex mutex_;
  std::vector<mx::Stream> spare_;
};

SpareStreams& spare_streams() {
  static auto* spare = new SpareStreams;  // lanes may work until the process ends
  return *spare;
}

}  // namespace

Lane::Lane(Outbox& outbox, Counters& counters, mx::Device device, bool inline_streams, Thread where,
           std::function<void()> posted)
    : counters_(counters),
      device_(device),
      inline_streams_(inline_streams),
      cursor_(outbox),
      on_post_(std::move(posted)) {
  if (where == Thread::callers) {
    // MLX keeps a stream as long as its thread lives: lanes of one thread share it.
    static thread_local std::optional<mx::Stream> shared;
    if (!shared) shared = mx::new_stream(device_);
    stream_ = shared;
    mx::set_default_stream(*stream_);
    return;
  }
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_t thread;
  int error = pthread_create(&thread, &attributes, &Lane::main, this);
  pthread_attr_destroy(&attributes);
  if (error != 0) {
    throw RunError("lane_failed",
                   std::string("a lane's thread does not start: ") + strerror(error));
  }
  thread_ = thread;
}

Lane::~Lane() {
  end();
  for (const auto& [_, variants] : variants_) {
    for (const auto& each : variants) erase(each);
  }
}

void Lane::end() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  if (!thread_) return;
  posted_.notify_one();
  pthread_join(*thread_, nullptr);
  thread_.reset();
}

void* Lane::main(void* lane) {
  static_cast<Lane*>(lane)->loop();
  return nullptr;
}

void Lane::loop() {
  stream_ = inline_streams_ ? mx::new_stream(device_) : spare_streams().take(device_);
  mx::set_default_stream(*stream_);
  serve();
  // Schedules and compiled functions belong to this thread; its cache goes with it.
  variants_.clear();
  if (inline_streams_) {
    mx::clear_streams();
  } else {
    spare_streams().give_back(*stream_);
  }
}

void Lane::serve() {
  for (;;) {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex_);
      posted_.wait(lock, [&] { return ending_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

void Lane::post(std::function<void()> task) {
  {
    std::lock_guard lock(mutex_);
    if (ending_) return;
    tasks_.push_back(std::move(task));
  }
  if (on_post_) {
    on_post_();
  } else {
    posted_.notify_one();
  }
}

void Lane::run_posted() {
  std::deque<std::function<void()>> tasks;
  {
    std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  for (auto& task : tasks) task();
}

}  // namespace davit
