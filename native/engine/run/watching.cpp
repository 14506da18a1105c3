// Who watches a run's segments, and the credit that their events take.
#include <algorithm>
#include <limits>

#include "engine/engine.h"
#include "engine/run/run.h"

namespace davit {

WatchTablePtr Run::table() {
  auto base = program_->watches();
  if (own_watches_.empty()) return base;
  if (base != base_table_ || !merged_table_) {
    auto merged = std::make_shared<WatchTable>(*base);
    for (const auto& [site, subscription] : own_watches_) {
      merged->sites[site].push_back(subscription);
    }
    base_table_ = base;
    merged_table_ = std::move(merged);
  }
  return merged_table_;
}

const Run::Watching& Run::watching(const Function& function, const Segment& segment) {
  static const Watching kNobody{nullptr, {}, nullptr, {}};
  auto current = table();
  if (current->sites.empty()) return kNobody;
  auto& cached = watching_[segment.id];
  if (cached.table == current && cached.all_open()) return cached;

  Watching made{current, {}, nullptr, {}};
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
  auto plan = std::make_shared<FiringPlan>();
  if (!made.sites.empty()) {
    auto& lane = *lane_;
    for (const auto& firing : lane.firing_order(program_, function, segment, made.sites)) {
      FiringPlan::Site site{firing.site, firing.types, {}};
      for (const auto& subscription : current->sites.at(firing.site)) {
        if (!subscription->open()) continue;
        site.subscriptions.push_back(subscription);
        if (subscription->policy() == Policy::latest) latest_.insert(subscription);
        if (subscription->policy() != Policy::every) continue;
        auto known = std::find_if(made.bytes.begin(), made.bytes.end(), [&](const auto& entry) {
          return entry.first == subscription->channel();
        });
        if (known == made.bytes.end())
          known = made.bytes.insert(known, {subscription->channel(), 0});
        known->second += subscription->cost(firing.types);
      }
      plan->sites.push_back(std::move(site));
    }
  }
  // All runs take channels in one order, so that none waits for what another holds.
  std::sort(made.bytes.begin(), made.bytes.end());
  made.plan = std::move(plan);
  cached = std::move(made);
  return cached;
}

bool Run::Watching::all_open() const {
  for (const auto& site : plan->sites) {
    for (const auto& subscription : site.subscriptions) {
      if (!subscription->open()) return false;
    }
  }
  return true;
}

int64_t Run::Watching::largest_share() const {
  int64_t passes = std::numeric_limits<int64_t>::max();
  for (const auto& [channel, needed] : bytes) {
    passes = std::min(passes, channel->budget() / std::max<int64_t>(1, needed));
  }
  return passes;
}

bool Run::reserve(const Watching& watched, int64_t passes) {
  for (size_t i = 0; i < watched.bytes.size(); ++i) {
    const auto& [channel, bytes] = watched.bytes[i];
    if (channel->reserve(bytes * passes, [run = shared_from_this()] { run->resume(); })) continue;
    for (size_t k = 0; k < i; ++k) {
      watched.bytes[k].first->release(watched.bytes[k].second * passes);
    }
    return false;
  }
  return true;
}

void Run::expect(const Watching& watched, bool loops, int64_t first, int64_t passes) {
  if (watched.sites.empty() || watched.plan->sites.empty()) return;
  auto where = path();
  if (loops) where.push_back(first);
  lane_->cursor().expect(
      {id_, program_->id(), watched.plan, std::move(where), loops, passes, seq_, 0});
}

}  // namespace davit
