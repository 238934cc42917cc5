#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "watchword/trust/feed_applier.h"
#include "watchword/trust/revocations.h"

namespace watchword {

// What a verifier knows, on disk, so that it can start while the auth service is away. The file holds what the feed
// would send: the keys, and a snapshot of the revocations in force. Nothing in it is secret, but whoever can write it
// can add keys: so it has mode 0600 and must be our own, it names the issuer, and keys can be pinned.

// More are not saved: they would take seconds to write.
inline constexpr size_t kMaxSavedRevocations = 1'000'000;

// Puts the file in one step. RESOURCE_EXHAUSTED if there are more than kMaxSavedRevocations, or a code of
// WriteSecretFile.
absl::Status WriteSnapshot(const std::string& path, const std::string& issuer, const FeedApplier::State& state,
                           const RevocationSet& revocations);

// Takes the file over into `applier`. If `pins` is not empty, only keys whose thumbprint (RFC 7638, base64url) is in
// it.
//
// NOT_FOUND if there is none. FAILED_PRECONDITION, saying why, if it is another user's, others may read or write it, it
// is damaged or of another issuer, or no key is left; nothing is taken over then.
absl::Status ReadSnapshot(const std::string& path, const std::string& issuer, const std::vector<std::string>& pins,
                          FeedApplier& applier);

}  // namespace watchword
