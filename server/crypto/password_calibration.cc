#include "server/crypto/password_calibration.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "watchword/base/mutex.h"

namespace watchword {
namespace {

constexpr PasswordHasher::Cost kLeast;
constexpr uint32_t kMaxMemoryKib = 1024 * 1024;
constexpr uint32_t kMaxPasses = 64;
constexpr uint64_t kMaxWorkKib = 4 * uint64_t{kMaxMemoryKib};
constexpr int kRounds = 5;

bool IsLess(const PasswordHasher::Cost& cost) {
  return cost.memory_kib < kLeast.memory_kib ||
         uint64_t{cost.memory_kib} * cost.passes < uint64_t{kLeast.memory_kib} * kLeast.passes;
}

uint32_t WholeMib(double kib) { return static_cast<uint32_t>(kib / 1024) * 1024; }

}  // namespace

absl::StatusOr<PasswordHasher::Cost> ChooseHashCost(absl::Duration wanted, uint32_t max_memory_kib,
                                                    MeasureHash measure) {
  PasswordHasher::Cost cost = {.memory_kib = WholeMib(std::clamp(max_memory_kib, kLeast.memory_kib, kMaxMemoryKib)),
                               .passes = 1};
  absl::StatusOr<absl::Duration> one_pass = measure(cost);
  if (!one_pass.ok()) return one_pass.status();
  if (*one_pass > wanted) {
    cost.memory_kib = WholeMib(cost.memory_kib * absl::FDivDuration(wanted, *one_pass));
    return IsLess(cost) ? kLeast : cost;
  }
  const auto most = static_cast<uint32_t>(std::min<uint64_t>(kMaxPasses, kMaxWorkKib / cost.memory_kib));
  cost.passes =
      static_cast<uint32_t>(std::clamp<int64_t>(static_cast<int64_t>(absl::FDivDuration(wanted, *one_pass)), 1, most));
  for (; cost.passes > 1; --cost.passes) {
    const absl::StatusOr<absl::Duration> all = measure(cost);
    if (!all.ok()) return all.status();
    if (*all <= wanted) break;
  }
  return IsLess(cost) ? kLeast : cost;
}

absl::StatusOr<absl::Duration> MeasureHashes(const PasswordHasher::Cost& cost, size_t at_once, RandomSource& random) {
  const absl::StatusOr<PasswordHasher> hasher = PasswordHasher::Create(cost, random);
  if (!hasher.ok()) return hasher.status();
  Mutex mutex;
  std::vector<absl::Duration> times;
  absl::Status failed;
  std::vector<std::thread> threads;
  for (size_t i = 0; i < at_once; ++i) {
    threads.emplace_back([&] {
      const Secret password = Secret::CopyOf("a password to be hashed");
      for (int round = 0; round < kRounds; ++round) {
        const absl::Time began = absl::Now();
        const auto hash = hasher->Hash(password);
        const absl::Duration took = absl::Now() - began;
        MutexLock lock(mutex);
        times.push_back(took);
        if (!hash.ok()) failed = hash.status();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (!failed.ok()) return failed;
  std::nth_element(times.begin(), times.begin() + static_cast<long>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

}  // namespace watchword
