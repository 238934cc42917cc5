#include "watchword/trust/snapshot_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "watchword/base/file.h"
#include "watchword/token/opaque_token.h"

namespace watchword {
namespace {

// The file: a line that names format and issuer; for each message its size, a line, and its bytes; SHA-256 of all that.
constexpr absl::string_view kFormat = "watchword-trust-1 ";
constexpr size_t kChecksumSize = 32;
constexpr size_t kMaxFileSize = 256 << 20;
constexpr int kEntriesInPart = 10'000;

void Append(const v1::WatchResponse& message, std::string& text) {
  const std::string bytes = message.SerializeAsString();
  absl::StrAppend(&text, bytes.size(), "\n", bytes);
}

v1::WatchResponse NewPart(const FeedApplier::State& state) {
  v1::WatchResponse part;
  part.mutable_snapshot()->set_epoch(state.epoch);
  part.mutable_snapshot()->set_seq(state.seq);
  return part;
}

absl::Status Unusable(const std::string& path, absl::string_view why) {
  return absl::FailedPreconditionError(absl::StrCat("cannot start from ", path, ": ", why));
}

absl::Status CheckOwner(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0 || info.st_uid == geteuid()) return absl::OkStatus();
  return Unusable(path, "it belongs to another user");
}

// The messages after the first line.
absl::StatusOr<std::vector<v1::WatchResponse>> Parse(const std::string& path, absl::string_view text) {
  std::vector<v1::WatchResponse> messages;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    size_t size = 0;
    if (end == absl::string_view::npos || !absl::SimpleAtoi(text.substr(0, end), &size) ||
        size > text.size() - end - 1) {
      return Unusable(path, "it is damaged");
    }
    if (!messages.emplace_back().ParseFromArray(text.data() + end + 1, static_cast<int>(size))) {
      return Unusable(path, "it is damaged");
    }
    text.remove_prefix(end + 1 + size);
  }
  return messages;
}

// Leaves out the keys that are not pinned.
void KeepPinned(const std::vector<std::string>& pins, v1::KeySet& keys) {
  v1::KeySet kept;
  for (const v1::Jwk& jwk : keys.keys()) {
    if (std::find(pins.begin(), pins.end(), JwkThumbprint(ToJwk(jwk))) != pins.end()) *kept.add_keys() = jwk;
  }
  keys = std::move(kept);
}

}  // namespace

absl::Status WriteSnapshot(const std::string& path, const std::string& issuer, const FeedApplier::State& state,
                           const RevocationSet& revocations) {
  if (revocations.size() > kMaxSavedRevocations) {
    return absl::ResourceExhaustedError(absl::StrCat("more than ", kMaxSavedRevocations, " revocations are in force"));
  }
  std::string text = absl::StrCat(kFormat, issuer, "\n");
  v1::WatchResponse keys;
  *keys.mutable_keys() = state.keys;
  Append(keys, text);
  v1::WatchResponse part = NewPart(state);
  revocations.ForEach([&](const Revocation& revocation) {
    *part.mutable_snapshot()->add_revocations() = ToProto(revocation);
    if (part.snapshot().revocations_size() < kEntriesInPart) return;
    Append(part, text);
    part = NewPart(state);
  });
  part.mutable_snapshot()->set_last(true);
  Append(part, text);
  absl::StrAppend(&text, Sha256(text));
  return WriteSecretFile(path, text);
}

absl::Status ReadSnapshot(const std::string& path, const std::string& issuer, const std::vector<std::string>& pins,
                          FeedApplier& applier) {
  if (auto status = CheckOwner(path); !status.ok()) return status;
  const auto contents = ReadSecretFile(path, kMaxFileSize);
  if (!contents.ok()) return contents.status();
  absl::string_view text = *contents;
  if (!absl::ConsumePrefix(&text, kFormat)) return Unusable(path, "it is no such file");
  if (text.size() < kChecksumSize) return Unusable(path, "it is damaged");
  const absl::string_view checked = absl::string_view(*contents).substr(0, contents->size() - kChecksumSize);
  if (Sha256(checked) != absl::string_view(*contents).substr(checked.size())) return Unusable(path, "it is damaged");
  text.remove_suffix(kChecksumSize);
  if (!absl::ConsumePrefix(&text, absl::StrCat(issuer, "\n"))) return Unusable(path, "it is of another issuer");
  auto messages = Parse(path, text);
  if (!messages.ok()) return messages.status();
  if (messages->size() < 2 || !messages->front().has_keys()) return Unusable(path, "it is damaged");
  if (!pins.empty()) KeepPinned(pins, *messages->front().mutable_keys());
  if (messages->front().keys().keys().empty()) return Unusable(path, "none of its keys is pinned");
  for (const v1::WatchResponse& message : *messages) {
    if (auto status = applier.Apply(message); !status.ok()) return Unusable(path, status.message());
  }
  return absl::OkStatus();
}

}  // namespace watchword
