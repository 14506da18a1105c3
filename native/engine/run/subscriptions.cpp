// The subscriptions to a run's segments, and the credit that their events take.
#include <algorithm>
#include <limits>

#include "engine/engine.h"
#include "engine/run/run.h"

namespace davit {

SubscriptionTablePtr Run::table() {
  auto base = program_->subscriptions();
  if (own_subscriptions_.empty()) return base;
  if (base != base_table_ || !merged_table_) {
    auto merged = std::make_shared<SubscriptionTable>(*base);
    for (const auto& [site, subscription] : own_subscriptions_) {
      merged->sites[site].push_back(subscription);
    }
    base_table_ = base;
    merged_table_ = std::move(merged);
  }
  return merged_table_;
}

const Run::SegmentSubscriptions& Run::subscriptions(const Function& function,
                                                    const Segment& segment) {
  static const SegmentSubscriptions kNobody{nullptr, {}, nullptr, {}};
  auto current = table();
  if (current->sites.empty()) return kNobody;
  auto& cached = by_segment_[segment.id];
  if (cached.table == current && cached.all_open()) return cached;

  SegmentSubscriptions made{current, {}, nullptr, {}};
  auto watched = [&](int site) {
    auto it = current->sites.find(site);
    return it != current->sites.end() &&
           std::any_of(it->second.begin(), it->second.end(),
                       [](const auto& subscription) { return subscription->open(); });
  };
  for (int site : segment.sites) {
    if (watched(site)) made.sites.push_back(site);
  }
  made.sites.erase(std::unique(made.sites.begin(), made.sites.end()), made.sites.end());
  auto plan = std::make_shared<EventPlan>();
  if (!made.sites.empty()) {
    auto& lane = *lane_;
    for (const auto& event : lane.event_order(program_, function, segment, made.sites)) {
      EventPlan::Site site{event.site, event.types, {}};
      for (const auto& subscription : current->sites.at(event.site)) {
        if (!subscription->open()) continue;
        site.subscriptions.push_back(subscription);
        if (subscription->policy() == Policy::latest) latest_.insert(subscription);
        if (subscription->policy() != Policy::every) continue;
        auto known = std::find_if(made.bytes.begin(), made.bytes.end(), [&](const auto& entry) {
          return entry.first == subscription->budget();
        });
        if (known == made.bytes.end())
          known = made.bytes.insert(known, {subscription->budget(), 0});
        known->second += subscription->cost(event.types);
      }
      plan->sites.push_back(std::move(site));
    }
  }
  // All runs take budgets in one order, so that none waits for what another holds.
  std::sort(made.bytes.begin(), made.bytes.end());
  made.plan = std::move(plan);
  cached = std::move(made);
  return cached;
}

bool Run::SegmentSubscriptions::all_open() const {
  for (const auto& site : plan->sites) {
    for (const auto& subscription : site.subscriptions) {
      if (!subscription->open()) return false;
    }
  }
  return true;
}

int64_t Run::SegmentSubscriptions::largest_share() const {
  int64_t passes = std::numeric_limits<int64_t>::max();
  for (const auto& [budget, needed] : bytes) {
    passes = std::min(passes, budget->budget() / std::max<int64_t>(1, needed));
  }
  return passes;
}

bool Run::reserve(const SegmentSubscriptions& watched, int64_t passes) {
  for (size_t i = 0; i < watched.bytes.size(); ++i) {
    const auto& [budget, bytes] = watched.bytes[i];
    if (budget->reserve(bytes * passes, [run = shared_from_this()] { run->resume(); })) continue;
    for (size_t k = 0; k < i; ++k) {
      watched.bytes[k].first->release(watched.bytes[k].second * passes);
    }
    return false;
  }
  return true;
}

void Run::expect(const SegmentSubscriptions& watched, bool loops, int64_t first, int64_t passes) {
  if (watched.sites.empty() || watched.plan->sites.empty()) return;
  auto where = path();
  if (loops) where.push_back(first);
  lane_->cursor().expect(
      {id_, program_->id(), watched.plan, std::move(where), loops, passes, seq_, 0});
}

}  // namespace davit
