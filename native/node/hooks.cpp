// Credit budgets and subscriptions.
#include "node/convert.h"
#include "node/engine.h"

namespace davit::node {

namespace {

Policy to_policy(const std::string& name) {
  if (name == "every") return Policy::every;
  if (name == "latest") return Policy::latest;
  if (name == "sample") return Policy::sample;
  if (name == "rate") return Policy::rate;
  throw OpError("policy_invalid", "\"" + name + "\" is no policy");
}

View to_view(const Napi::Object& object) {
  View view;
  auto kind = text_of(object.Get("kind"));
  if (kind == "full") return view;
  if (kind == "summary") {
    view.kind = View::Kind::summary;
    view.bins = static_cast<int>(id_of(object.Get("bins")));
    return view;
  }
  if (kind != "slice") throw OpError("view_invalid", "\"" + kind + "\" is no view");
  view.kind = View::Kind::slice;
  for (int64_t start : to_integers(object.Get("start"))) {
    view.start.push_back(static_cast<int>(start));
  }
  for (int64_t size : to_integers(object.Get("size"))) view.size.push_back(static_cast<int>(size));
  return view;
}

}  // namespace

Napi::Value EngineObject::create_credit_budget(const Napi::CallbackInfo& info) {
  int64_t budget = engine_->create_credit_budget(id_of(info[0]), id_of(info[1]));
  return Napi::Number::New(info.Env(), static_cast<double>(budget));
}

Napi::Value EngineObject::close_credit_budget(const Napi::CallbackInfo& info) {
  engine_->close_credit_budget(id_of(info[0]));
  return info.Env().Undefined();
}

Napi::Value EngineObject::credit(const Napi::CallbackInfo& info) {
  engine_->credit(id_of(info[0]), id_of(info[1]));
  return info.Env().Undefined();
}

Napi::Value EngineObject::create_subscription(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto object = info[0].As<Napi::Object>();
    auto policy = to_policy(text_of(object.Get("policy")));
    double argument = object.Get("argument").ToNumber().DoubleValue();
    // Events a second, as milliseconds between them.
    double interval = policy == Policy::rate ? 1000 / argument : argument;
    auto id = engine_->create_subscription(id_of(object.Get("budget")), policy, interval,
                                           to_view(object.Get("view").As<Napi::Object>()));
    return Napi::Number::New(env, static_cast<double>(id));
  });
}

Napi::Value EngineObject::close_subscription(const Napi::CallbackInfo& info) {
  engine_->close_subscription(id_of(info[0]));
  return info.Env().Undefined();
}

Napi::Value EngineObject::subscribe(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  guarded(env, [&] { engine_->subscribe(id_of(info[0]), id_of(info[1]), to_integers(info[2])); });
  return env.Undefined();
}

}  // namespace davit::node
