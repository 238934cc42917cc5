// What many revocations in force cost a verifier: memory, the time to take them over from a snapshot as the trust feed
// sends it, and the time of a look-up. Fails if the memory is above the promise, which is the same on every machine.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

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

// At most 64 MiB for a million, at most 512 MiB for ten.
double AllowedMebibytes(int entries) { return entries <= 1'000'000 ? 64 : 512; }

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

double LookUpNanoseconds(const RevocationSet& revocations, absl::Time now) {
  std::vector<VerifiedCredential> credentials;
  for (int i = 0; i < 1000; ++i) {
    credentials.push_back(
        VerifiedCredential::AssumeVerified({.subject = Uuid::NewV7(now, SystemRandom()).value().ToString(),
                                            .session_id = Uuid::NewV7(now, SystemRandom()).value().ToString()},
                                           "key"));
  }
  size_t i = 0, revoked = 0;
  const double nanoseconds = NanosecondsPerCall(
      [&] { revoked += revocations.IsRevoked(credentials[i++ % credentials.size()]) ? 1 : 0; }, kLookUps);
  return revoked == 0 ? nanoseconds : -1;
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
  std::printf("%d revocations: %.1f MiB (goal %.0f), taken over in %.2f s, a look-up takes %.0f ns (goal 1,000)\n",
              entries, memory, AllowedMebibytes(entries), absl::ToDoubleSeconds(applying),
              LookUpNanoseconds(trust.revocations(), now));
  return memory <= AllowedMebibytes(entries) ? 0 : 1;
}

}  // namespace
}  // namespace watchword

int main(int argc, char** argv) {
  int entries = 10'000'000;
  CLI::App app("Measures what revocations in force cost a verifier.");
  app.add_option("--entries", entries, "How many")->capture_default_str()->check(CLI::Range(1000, 100'000'000));
  CLI11_PARSE(app, argc, argv);
  return watchword::Run(entries);
}
