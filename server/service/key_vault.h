#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/crypto/signing_key.h"
#include "server/store/store.h"
#include "watchword/base/random.h"
#include "watchword/base/secret.h"

namespace watchword {

// Seals what is secret under the first key of the key file and opens it with any key there. The file is read each time
// and nothing of it is kept: a key-encryption key is in memory only while it is used, and a server that runs takes up
// another file when it next needs one.
//
// Thread-safe.
class KeyVault {
 public:
  // Borrows all, which must outlive this.
  KeyVault(KeyStore& store, std::string key_file, RandomSource& random)
      : store_(store), key_file_(std::move(key_file)), random_(random) {}

  // Makes the key file if it is missing and `may_make_it`. FAILED_PRECONDITION, saying what to do, if it is missing or
  // not what it should be.
  absl::Status CheckKeyFile(bool may_make_it, bool shared);

  // The secret of that name, made if there is none. FAILED_PRECONDITION if the key file does not open it.
  absl::StatusOr<Secret> FindOrAddSecret(absl::string_view name);

  // FAILED_PRECONDITION if the key file does not open it.
  absl::StatusOr<SigningKey> OpenKey(const SigningKeyRecord& record);

  // A new key, ready to be stored.
  absl::StatusOr<SigningKeyRecord> MakeKey(Algorithm algorithm, absl::Time now);

  // Seals under the first key whatever lies in the store sealed under another: the keys and the secrets of these names.
  // How many were.
  absl::StatusOr<int> SealAnew(const std::vector<absl::string_view>& secrets);

 private:
  struct Opened {
    Secret secret;
    bool by_first = false;  // of the keys in the file
  };
  absl::StatusOr<Opened> Open(absl::string_view label, absl::string_view sealed, absl::string_view what);
  absl::StatusOr<std::string> SealUnderFirst(absl::string_view label, const Secret& secret);
  // The value sealed under the first key; empty if it is already.
  absl::StatusOr<std::string> SealedAnew(absl::string_view label, absl::string_view sealed, absl::string_view what);

  KeyStore& store_;
  const std::string key_file_;
  RandomSource& random_;
};

}  // namespace watchword
