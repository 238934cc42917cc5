#include "server/service/key_vault.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/crypto/key_file.h"
#include "server/crypto/seal.h"

namespace watchword {
namespace {

constexpr size_t kSecretSize = 32;
constexpr absl::string_view kAKey = "signing key";

std::string KeyLabel(absl::string_view key_id) { return absl::StrCat("signing-key ", key_id); }

std::optional<Algorithm> AlgorithmByName(absl::string_view name) {
  for (const Algorithm each : {Algorithm::kEs256, Algorithm::kEdDsa, Algorithm::kRs256}) {
    if (AlgorithmName(each) == name) return each;
  }
  return std::nullopt;
}

}  // namespace

absl::Status KeyVault::CheckKeyFile(bool may_make_it, bool shared) {
  const absl::Status read = ReadKeyFile(key_file_).status();
  if (read.code() != absl::StatusCode::kNotFound) return read;
  if (shared) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the key file ", key_file_, " is missing: all servers of a shared store need the same one, so make it once, ",
        "with `openssl rand 32 | basenc --base64url --wrap 0 | tr -d = >FILE && chmod 600 FILE`, and give it to each ",
        "(--key-file)"));
  }
  if (may_make_it) return CreateKeyFile(key_file_, random_).status();
  return absl::FailedPreconditionError(absl::StrCat(
      "the key file ", key_file_, " is missing, but the store holds keys sealed with it: put it back (--key-file)"));
}

absl::StatusOr<KeyVault::Opened> KeyVault::Open(absl::string_view label, absl::string_view sealed,
                                                absl::string_view what) {
  const absl::StatusOr<std::vector<Secret>> keys = ReadKeyFile(key_file_);
  if (!keys.ok()) return keys.status();
  for (const Secret& key : *keys) {
    absl::StatusOr<Secret> secret = Unseal(key, label, sealed);
    if (secret.ok()) return Opened{.secret = *std::move(secret), .by_first = &key == &keys->front()};
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "the key file ", key_file_, " does not open the ", what, " in the store: put back the key file that this store ",
      "was made with, or the key that it was sealed with since, as its first line or a later one (--key-file)"));
}

absl::StatusOr<std::string> KeyVault::SealUnderFirst(absl::string_view label, const Secret& secret) {
  const absl::StatusOr<std::vector<Secret>> keys = ReadKeyFile(key_file_);
  if (!keys.ok()) return keys.status();
  return Seal(keys->front(), label, secret, random_);
}

absl::StatusOr<Secret> KeyVault::FindOrAddSecret(absl::string_view name) {
  absl::StatusOr<std::string> sealed = store_.FindSecret(name);
  if (sealed.status().code() == absl::StatusCode::kNotFound) {
    std::string bytes(kSecretSize, '\0');
    if (auto status = random_.Fill(absl::MakeSpan(reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()));
        !status.ok()) {
      return status;
    }
    absl::StatusOr<std::string> made = SealUnderFirst(name, Secret(std::move(bytes)));
    if (!made.ok()) return made.status();
    if (auto added = store_.AddSecret(name, *made); !added.ok()) return added.status();
    sealed = store_.FindSecret(name);  // ours, or that of whoever was faster
  }
  if (!sealed.ok()) return sealed.status();
  absl::StatusOr<Opened> opened = Open(name, *sealed, name);
  if (!opened.ok()) return opened.status();
  return std::move(opened->secret);
}

absl::StatusOr<SigningKey> KeyVault::OpenKey(const SigningKeyRecord& record) {
  const std::optional<Algorithm> algorithm = AlgorithmByName(record.algorithm);
  if (!algorithm.has_value()) {
    return absl::FailedPreconditionError(
        absl::StrCat("signing key ", record.key_id, " has the unknown algorithm ", record.algorithm));
  }
  const absl::StatusOr<Opened> opened = Open(KeyLabel(record.key_id), record.sealed_private_key, kAKey);
  if (!opened.ok()) return opened.status();
  return SigningKey::Deserialize(*algorithm, opened->secret);
}

absl::StatusOr<SigningKeyRecord> KeyVault::MakeKey(Algorithm algorithm, absl::Time now) {
  absl::StatusOr<SigningKey> key = SigningKey::Generate(algorithm);
  if (!key.ok()) return key.status();
  absl::StatusOr<Secret> serialized = key->Serialize();
  if (!serialized.ok()) return serialized.status();
  absl::StatusOr<std::string> sealed = SealUnderFirst(KeyLabel(key->key_id()), *serialized);
  if (!sealed.ok()) return sealed.status();
  return SigningKeyRecord{.key_id = key->key_id(),
                          .algorithm = std::string(AlgorithmName(algorithm)),
                          .state = SigningKeyState::kActive,
                          .sealed_private_key = *std::move(sealed),
                          .created_at = now,
                          .changed_at = now};
}

absl::StatusOr<std::string> KeyVault::SealedAnew(absl::string_view label, absl::string_view sealed,
                                                 absl::string_view what) {
  const absl::StatusOr<Opened> opened = Open(label, sealed, what);
  if (!opened.ok()) return opened.status();
  if (opened->by_first) return std::string();
  return SealUnderFirst(label, opened->secret);
}

absl::StatusOr<int> KeyVault::SealAnew(const std::vector<absl::string_view>& secrets) {
  int count = 0;
  for (const absl::string_view name : secrets) {
    const absl::StatusOr<std::string> sealed = store_.FindSecret(name);
    if (!sealed.ok()) return sealed.status();
    const absl::StatusOr<std::string> anew = SealedAnew(name, *sealed, name);
    if (!anew.ok()) return anew.status();
    if (anew->empty()) continue;
    const absl::StatusOr<bool> replaced = store_.ReplaceSecret(name, *sealed, *anew);
    if (!replaced.ok()) return replaced.status();
    count += *replaced ? 1 : 0;
  }
  const absl::StatusOr<std::vector<SigningKeyRecord>> records = store_.ListKeys();
  if (!records.ok()) return records.status();
  for (const SigningKeyRecord& record : *records) {
    const absl::StatusOr<std::string> anew = SealedAnew(KeyLabel(record.key_id), record.sealed_private_key, kAKey);
    if (!anew.ok()) return anew.status();
    if (anew->empty()) continue;
    const absl::StatusOr<bool> replaced = store_.ReplaceSealedKey(record.key_id, record.sealed_private_key, *anew);
    if (!replaced.ok()) return replaced.status();
    count += *replaced ? 1 : 0;
  }
  return count;
}

}  // namespace watchword
