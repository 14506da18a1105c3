#include "engine/outbox.h"

#include <utility>

namespace davit {

namespace {
// A value longer than this travels in memory of its own, without a second copy.
constexpr size_t kBlobBytes = 16 << 10;

// About a thousand events, which JavaScript handles in some milliseconds.
constexpr size_t kBatchWords = 16 << 10;

void put_path(std::vector<double>& words, const LoopPath& path) {
  words.push_back(static_cast<double>(path.size()));
  for (int64_t iteration : path) words.push_back(static_cast<double>(iteration));
}

void put_summary(std::vector<double>& words, const Summary& summary) {
  words.insert(words.end(),
               {2.0, static_cast<double>(summary.count), summary.min, summary.max, summary.mean,
                summary.std, static_cast<double>(summary.nan), static_cast<double>(summary.inf),
                static_cast<double>(summary.histogram.size())});
  for (uint64_t count : summary.histogram) words.push_back(static_cast<double>(count));
}

void put_bytes(Batch& batch, std::vector<uint8_t> bytes) {
  if (bytes.size() > kBlobBytes) {
    batch.words.insert(batch.words.end(), {1.0, static_cast<double>(batch.blobs.size())});
    batch.blobs.push_back(std::move(bytes));
    return;
  }
  batch.words.insert(batch.words.end(), {0.0, static_cast<double>(batch.bytes.size()),
                                         static_cast<double>(bytes.size())});
  batch.bytes.insert(batch.bytes.end(), bytes.begin(), bytes.end());
}

}  // namespace

template <typename Write>
void Outbox::add(Write&& write) {
  bool resting = false;
  {
    std::lock_guard lock(mutex_);
    resting = !std::exchange(awake_, true);
    if (batches_.empty() || batches_.back().words.size() > kBatchWords) batches_.emplace_back();
    write(batches_.back());
  }
  // While the wake-up is held back, the JavaScript thread takes what is added.
  if (resting && !held_.load(std::memory_order_relaxed)) wake_();
}

void Outbox::finished(int64_t run, const Failure* failure) {
  add([&](Batch& batch) {
    auto& words = batch.words;
    words.insert(words.end(), {0.0, static_cast<double>(run)});
    if (failure == nullptr) {
      words.insert(words.end(), {0.0, 0.0, 0.0, -1.0});
      return;
    }
    double text = static_cast<double>(batch.texts.size());
    words.insert(words.end(), {1.0, text, text + 1, static_cast<double>(failure->site)});
    batch.texts.push_back(failure->code);
    batch.texts.push_back(failure->message);
  });
}

void Outbox::event(Event event) {
  add([&](Batch& batch) {
    auto& words = batch.words;
    for (int64_t word : {int64_t{1}, event.subscription, event.run, event.program,
                         static_cast<int64_t>(event.site), event.seq, event.dropped, event.cost}) {
      words.push_back(static_cast<double>(word));
    }
    put_path(words, event.path);
    words.push_back(static_cast<double>(event.values.size()));
    for (auto& value : event.values) {
      if (value.summary) {
        put_summary(words, *value.summary);
      } else {
        put_bytes(batch, std::move(value.bytes));
      }
    }
  });
}

void Outbox::callback(int64_t run, int64_t program, int site, int64_t seq, int64_t callback,
                      const LoopPath& path, std::vector<CallbackValue> values) {
  add([&](Batch& batch) {
    auto& words = batch.words;
    for (int64_t word : {int64_t{2}, run, program, static_cast<int64_t>(site), seq, callback}) {
      words.push_back(static_cast<double>(word));
    }
    put_path(words, path);
    words.push_back(static_cast<double>(values.size()));
    for (auto& value : values) {
      if (auto* id = std::get_if<int64_t>(&value)) {
        words.insert(words.end(), {3.0, static_cast<double>(*id)});
      } else {
        put_bytes(batch, std::move(std::get<std::vector<uint8_t>>(value)));
      }
    }
  });
}

Batch Outbox::take() {
  Batch taken;
  std::lock_guard lock(mutex_);
  if (batches_.empty()) return taken;
  taken = std::move(batches_.front());
  batches_.pop_front();
  return taken;
}

bool Outbox::more() {
  std::lock_guard lock(mutex_);
  awake_ = !batches_.empty();
  return awake_;
}

}  // namespace davit
