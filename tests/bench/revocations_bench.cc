// What many revocations in force cost a verifier: memory, the time to take them over from a snapshot as the trust feed
// sends it, and the time of a look-up.
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "measure.h"
#include "watchword/base/clock.h"
#include "watchword/base/log.h"
#include "watchword/base/random.h"
#include "watchword/base/uuid.h"
#include "watchword/token/credential.h"
#include "watchword/trust/feed_applier.h"
#include "watchword/trust/trust_state.h"

namespace watchword {
namespace {

constexpr int kEntriesInPart = 1000;
constexpr int kLookUps = 1'000'000;

// Of this process, now.
double ResidentMebibytes() {
  std::ifstream statm("/proc/self/statm");
  double size = 0, resident = 0;
  statm >> size >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

v1::WatchResponse MakePart(absl::Time now, bool last) {
  v1::WatchResponse response;
  v1::Snapshot& snapshot = *response.mutable_snapshot();
  snapshot.set_epoch(std::string(16, 'e'));
  snapshot.set_seq(1);
  snapshot.set_last(last);
  for (int i = 0; i < kEntriesInPart; ++i) {
    v1::Revocation& entry = *snapshot.add_revocations();
    entry.set_session_id(Uuid::NewV7(now, SystemRandom()).value().ToString());
    entry.mutable_expires_at()->set_seconds(absl::ToUnixSeconds(now) + 3600);
  }
  return response;
}

// A look-up of what is not revoked: the mean, and the 99th percentile of look-ups that are timed one by one, less what
// reading the clock takes.
struct LookUp {
  double mean = 0, p99 = 0;  // nanoseconds
};

LookUp MeasureLookUp(const RevocationSet& revocations, absl::Time now) {
  std::vector<VerifiedCredential> credentials;
  for (int i = 0; i < 1000; ++i) {
    credentials.push_back(
        VerifiedCredential::AssumeVerified({.subject = Uuid::NewV7(now, SystemRandom()).value().ToString(),
                                            .session_id = Uuid::NewV7(now, SystemRandom()).value().ToString()},
                                           "key"));
  }
  size_t i = 0, revoked = 0;
  const auto look_up = [&] { revoked += revocations.IsRevoked(credentials[i++ % credentials.size()]) ? 1 : 0; };
  LookUp result{.mean = NanosecondsPerCall(look_up, kLookUps)};
  const double clock = NanosecondsPerCall([] { std::chrono::steady_clock::now(); }, kLookUps);
  std::vector<double> nanoseconds;
  for (int call = 0; call < kLookUps; ++call) {
    const auto begin = std::chrono::steady_clock::now();
    look_up();
    nanoseconds.push_back(std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count());
  }
  result.p99 = std::max(Quantile(std::move(nanoseconds), 0.99) - clock, 0.0);
  if (revoked != 0) std::abort();
  return result;
}

int Run(int entries) {
  const absl::Time now = absl::Now();
  TrustState trust(SystemClock());
  FeedApplier applier(trust, StderrLogger());
  const double before = ResidentMebibytes();
  absl::Duration applying;
  for (int done = 0; done < entries; done += kEntriesInPart) {
    const v1::WatchResponse part = MakePart(now, done + kEntriesInPart >= entries);
    const absl::Time begin = absl::Now();
    if (const absl::Status status = applier.Apply(part); !status.ok()) {
      std::fprintf(stderr, "revocations_bench: %s\n", std::string(status.message()).c_str());
      return 1;
    }
    applying += absl::Now() - begin;
  }
  const double memory = ResidentMebibytes() - before;
  const LookUp look_up = MeasureLookUp(trust.revocations(), now);
  const std::string name = absl::StrCat("revocations: ", entries, ", ");
  Report(name + "memory", memory, "MiB");
  Report(name + "snapshot taken over", absl::ToDoubleSeconds(applying), "s");
  Report(name + "look-up, mean", look_up.mean, "ns");
  Report(name + "look-up, p99", look_up.p99, "ns");
  return 0;
}

// So that one measurement does not use memory that the one before has left.
int InProcessOfItsOwn(int entries) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) std::exit(Run(entries));
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return 1;
  return WEXITSTATUS(status);
}

}  // namespace
}  // namespace watchword

int main(int argc, char** argv) {
  std::vector<int> sizes = {10'000, 1'000'000, 10'000'000};
  CLI::App app("Measures what revocations in force cost a verifier.");
  app.add_option("--entries", sizes, "How many, one measurement after the other")
      ->capture_default_str()
      ->check(CLI::Range(1000, 100'000'000));
  CLI11_PARSE(app, argc, argv);
  int code = 0;
  for (const int entries : sizes) code = std::max(code, watchword::InProcessOfItsOwn(entries));
  return code;
}
