#include "server/service/key_ring.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "server/crypto/key_file.h"
#include "server/crypto/seal.h"

namespace watchword {
namespace {

constexpr absl::string_view kRefreshTokenKey = "refresh-token-key";
constexpr absl::string_view kSessionBindingKey = "session-binding-key";
constexpr size_t kSecretSize = 32;

std::string KeyLabel(absl::string_view key_id) { return absl::StrCat("signing-key ", key_id); }

std::optional<Algorithm> AlgorithmByName(absl::string_view name) {
  for (const Algorithm each : {Algorithm::kEs256, Algorithm::kEdDsa, Algorithm::kRs256}) {
    if (AlgorithmName(each) == name) return each;
  }
  return std::nullopt;
}

absl::Status WrongKeyFile(const std::string& path, absl::string_view what) {
  return absl::FailedPreconditionError(
      absl::StrCat("the key file ", path, " does not open the ", what,
                   " in the store: put back the key file that this store was made with (--key-file)"));
}

absl::StatusOr<Secret> KeyEncryptionKey(const KeyRing::Options& options, bool store_is_new, RandomSource& random) {
  const std::string& path = options.key_file;
  absl::StatusOr<Secret> key = ReadKeyFile(path);
  if (key.ok() || key.status().code() != absl::StatusCode::kNotFound) return key;
  if (options.shared) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the key file ", path, " is missing: all servers of a shared store need the same one, so make it once, with ",
        "`openssl rand 32 | basenc --base64url --wrap 0 | tr -d = >FILE && chmod 600 FILE`, and give it to each ",
        "(--key-file)"));
  }
  if (store_is_new) return CreateKeyFile(path, random);
  return absl::FailedPreconditionError(absl::StrCat(
      "the key file ", path, " is missing, but the store holds keys sealed with it: put it back (--key-file)"));
}

// The secret of that name, made if there is none.
absl::StatusOr<Secret> FindOrAddSecret(KeyStore& store, absl::string_view name, const Secret& key_encryption_key,
                                       const std::string& key_file, RandomSource& random) {
  absl::StatusOr<std::string> sealed = store.FindSecret(name);
  if (sealed.status().code() == absl::StatusCode::kNotFound) {
    std::string bytes(kSecretSize, '\0');
    if (auto status = random.Fill(absl::MakeSpan(reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()));
        !status.ok()) {
      return status;
    }
    absl::StatusOr<std::string> made = Seal(key_encryption_key, name, Secret(std::move(bytes)), random);
    if (!made.ok()) return made.status();
    if (auto added = store.AddSecret(name, *made); !added.ok()) return added.status();
    sealed = store.FindSecret(name);  // ours, or that of whoever was faster
  }
  if (!sealed.ok()) return sealed.status();
  absl::StatusOr<Secret> secret = Unseal(key_encryption_key, name, *sealed);
  if (!secret.ok()) return WrongKeyFile(key_file, name);
  return secret;
}

absl::Status AddFirstKey(KeyStore& store, Algorithm algorithm, const Secret& key_encryption_key, absl::Time now,
                         RandomSource& random) {
  absl::StatusOr<SigningKey> key = SigningKey::Generate(algorithm);
  if (!key.ok()) return key.status();
  absl::StatusOr<Secret> serialized = key->Serialize();
  if (!serialized.ok()) return serialized.status();
  absl::StatusOr<std::string> sealed = Seal(key_encryption_key, KeyLabel(key->key_id()), *serialized, random);
  if (!sealed.ok()) return sealed.status();
  return store
      .AddFirstKey({.key_id = key->key_id(),
                    .algorithm = std::string(AlgorithmName(algorithm)),
                    .state = SigningKeyState::kActive,
                    .sealed_private_key = *std::move(sealed),
                    .created_at = now})
      .status();
}

absl::StatusOr<std::vector<SigningKey>> OpenKeys(const std::vector<SigningKeyRecord>& records,
                                                 const Secret& key_encryption_key, const std::string& key_file) {
  std::vector<SigningKey> keys;
  for (const SigningKeyRecord& record : records) {
    const std::optional<Algorithm> algorithm = AlgorithmByName(record.algorithm);
    if (!algorithm.has_value()) {
      return absl::FailedPreconditionError(
          absl::StrCat("signing key ", record.key_id, " has the unknown algorithm ", record.algorithm));
    }
    absl::StatusOr<Secret> opened = Unseal(key_encryption_key, KeyLabel(record.key_id), record.sealed_private_key);
    if (!opened.ok()) return WrongKeyFile(key_file, "signing key");
    absl::StatusOr<SigningKey> key = SigningKey::Deserialize(*algorithm, *opened);
    if (!key.ok()) return key.status();
    keys.push_back(*std::move(key));
  }
  return keys;
}

}  // namespace

absl::StatusOr<std::unique_ptr<KeyRing>> KeyRing::Open(KeyStore& store, const Options& options, const Clock& clock,
                                                       RandomSource& random) {
  absl::StatusOr<std::vector<SigningKeyRecord>> records = store.ListKeys();
  if (!records.ok()) return records.status();
  absl::StatusOr<Secret> key_encryption_key = KeyEncryptionKey(options, records->empty(), random);
  if (!key_encryption_key.ok()) return key_encryption_key.status();

  absl::StatusOr<Secret> refresh_token_key =
      FindOrAddSecret(store, kRefreshTokenKey, *key_encryption_key, options.key_file, random);
  if (!refresh_token_key.ok()) return refresh_token_key.status();
  absl::StatusOr<Secret> session_binding_key =
      FindOrAddSecret(store, kSessionBindingKey, *key_encryption_key, options.key_file, random);
  if (!session_binding_key.ok()) return session_binding_key.status();
  // The signing key comes last: a store that has one has all the rest, so a first start that was cut short is finished
  // by the next.
  if (records->empty()) {
    if (auto status = AddFirstKey(store, options.algorithm, *key_encryption_key, clock.Now(), random); !status.ok()) {
      return status;
    }
    records = store.ListKeys();
    if (!records.ok()) return records.status();
  }
  absl::StatusOr<std::vector<SigningKey>> keys = OpenKeys(*records, *key_encryption_key, options.key_file);
  if (!keys.ok()) return keys.status();
  return std::unique_ptr<KeyRing>(
      new KeyRing(*std::move(keys), *std::move(refresh_token_key), *std::move(session_binding_key)));
}

std::vector<Jwk> KeyRing::public_jwks() const {
  std::vector<Jwk> jwks;
  for (const SigningKey& key : signing_keys_) jwks.push_back(key.public_jwk());
  return jwks;
}

}  // namespace watchword
