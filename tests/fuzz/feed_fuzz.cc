// Messages of the trust feed, any number of them in any order: the cursor never runs ahead of what was sent, and what
// was revoked stays revoked. The input is a sequence of messages, each behind its size in two bytes.
#include <string>

#include "fuzz.h"
#include "watchword/base/clock.h"
#include "watchword/base/log.h"
#include "watchword/trust/feed_applier.h"
#include "watchword/trust/trust_state.h"
#include "watchword/v1/trust.pb.h"

namespace watchword {
namespace {

class NoLog final : public Logger {
 public:
  void Write(Severity, absl::string_view, absl::Span<const LogField>) override {}
};

class StoppedClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixSeconds(1'800'000'000); }
  absl::Duration SinceBoot() const override { return absl::Seconds(1000); }
};

absl::string_view TakeMessage(absl::string_view& input) {
  if (input.size() < 2) return "";
  const size_t wanted = static_cast<uint8_t>(input[0]) << 8 | static_cast<uint8_t>(input[1]);
  input.remove_prefix(2);
  const absl::string_view message = input.substr(0, wanted);
  input.remove_prefix(message.size());
  return message;
}

}  // namespace

void Fuzz(absl::string_view input) {
  NoLog log;
  const StoppedClock clock;
  TrustState trust(clock);
  FeedApplier applier(trust, log);
  applier.StartStream();
  uint64_t highest = 0;
  size_t revocations = 0;
  while (input.size() >= 2) {
    const absl::string_view bytes = TakeMessage(input);
    v1::WatchResponse message;
    if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) continue;
    highest = std::max(highest, message.snapshot().seq());
    for (const auto& entry : message.revocations().revocations()) highest = std::max(highest, entry.seq());
    if (!applier.Apply(message).ok()) applier.StartStream();
    if (const auto acknowledged = applier.acknowledgement()) Require(acknowledged->seq() <= highest);
    Require(trust.revocations().size() >= revocations);
    revocations = trust.revocations().size();
    Require(applier.ready() == (trust.keys_version() != 0));
  }
}

}  // namespace watchword
