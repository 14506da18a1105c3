// Programs are written to files on a thread of libuv's pool, which waits for a lane.
#include "node/convert.h"
#include "node/engine.h"

namespace davit::node {

namespace {

class ExportWorker : public Napi::AsyncWorker {
 public:
  ExportWorker(Napi::Env env, std::function<void()> work)
      : Napi::AsyncWorker(env),
        promise_(Napi::Promise::Deferred::New(env)),
        work_(std::move(work)) {}

  Napi::Promise promise() const { return promise_.Promise(); }

 protected:
  void Execute() override {
    try {
      work_();
    } catch (const ExportError& error) {
      failure_ = error.failure();
      trace_ = error.trace();
    } catch (...) {
      failure_ = current_failure();
    }
  }

  void OnOK() override {
    if (failure_) {
      auto error = make_error(Env(), *failure_);
      if (trace_) error.Set("trace", Napi::Number::New(Env(), static_cast<double>(*trace_)));
      promise_.Reject(error.Value());
    } else {
      promise_.Resolve(Env().Undefined());
    }
  }

 private:
  Napi::Promise::Deferred promise_;
  std::function<void()> work_;
  FailurePtr failure_;
  std::optional<size_t> trace_;
};

}  // namespace

Napi::Value EngineObject::export_programs(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    std::vector<ExportedTrace> traces;
    auto list = info[1].As<Napi::Array>();
    for (uint32_t i = 0; i < list.Length(); ++i) {
      auto object = list.Get(i).As<Napi::Object>();
      ExportedTrace trace{engine_->program(id_of(object.Get("program"))), {}};
      auto keywords = object.Get("keywords").As<Napi::Array>();
      for (uint32_t k = 0; k < keywords.Length(); ++k) {
        trace.keywords.push_back(text_of(keywords.Get(k)));
      }
      traces.push_back(std::move(trace));
    }
    auto given = info[2].As<Napi::Object>();
    ExportOptions options{text_of(given.Get("metadata")),
                          given.Get("shapeless").As<Napi::Boolean>().Value()};
    auto work = engine_->exporting(text_of(info[0]), std::move(traces), std::move(options));
    // It deletes itself when it is done.
    auto* worker = new ExportWorker(env, std::move(work));
    worker->Queue();
    return worker->promise();
  });
}

}  // namespace davit::node
