#include "server/crypto/seal.h"

#include <openssl/evp.h>

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/crypto/openssl.h"

namespace watchword {
namespace {

constexpr size_t kKeySize = 32;
constexpr size_t kNonceSize = 12;
constexpr size_t kTagSize = 16;
constexpr char kVersion = 1;

using CipherContext = OpenSslPtr<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

const EVP_CIPHER* Aes256Gcm() {
  static const OpenSslPtr<EVP_CIPHER, EVP_CIPHER_free> cipher(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr));
  return cipher.get();
}

const unsigned char* Bytes(absl::string_view bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }
unsigned char* Bytes(std::string& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

absl::Status CheckKey(const Secret& key) {
  if (key.Reveal().size() == kKeySize) return absl::OkStatus();
  return absl::FailedPreconditionError("a sealing key has 32 bytes");
}

// Runs the cipher over `in`, into `out` of the same size; `tag` is written when encrypting, else compared.
bool Crypt(bool encrypt, const Secret& key, absl::string_view nonce, absl::string_view label, absl::string_view in,
           std::string& out, std::string& tag) {
  const CipherContext context(EVP_CIPHER_CTX_new());
  EVP_CIPHER_CTX* c = context.get();
  int size = 0;
  if (!context ||
      EVP_CipherInit_ex2(c, Aes256Gcm(), Bytes(key.Reveal()), Bytes(nonce), encrypt ? 1 : 0, nullptr) != 1 ||
      EVP_CipherUpdate(c, nullptr, &size, Bytes(label), static_cast<int>(label.size())) != 1 ||
      EVP_CipherUpdate(c, Bytes(out), &size, Bytes(in), static_cast<int>(in.size())) != 1) {
    return false;
  }
  if (!encrypt && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, kTagSize, tag.data()) != 1) return false;
  if (EVP_CipherFinal_ex(c, Bytes(out) + size, &size) != 1) return false;
  return !encrypt || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, kTagSize, tag.data()) == 1;
}

}  // namespace

absl::StatusOr<std::string> Seal(const Secret& key, absl::string_view label, const Secret& plaintext,
                                 RandomSource& random) {
  if (auto status = CheckKey(key); !status.ok()) return status;
  std::string nonce(kNonceSize, '\0');
  if (auto status = random.Fill(absl::MakeSpan(Bytes(nonce), nonce.size())); !status.ok()) return status;
  std::string ciphertext(plaintext.Reveal().size(), '\0');
  std::string tag(kTagSize, '\0');
  if (!Crypt(true, key, nonce, label, plaintext.Reveal(), ciphertext, tag)) {
    return absl::InternalError("OpenSSL cannot encrypt with AES-256-GCM");
  }
  return absl::StrCat(absl::string_view(&kVersion, 1), nonce, ciphertext, tag);
}

absl::StatusOr<Secret> Unseal(const Secret& key, absl::string_view label, absl::string_view sealed) {
  if (auto status = CheckKey(key); !status.ok()) return status;
  if (sealed.size() < 1 + kNonceSize + kTagSize || sealed[0] != kVersion) {
    return absl::FailedPreconditionError("this is not a sealed value of a known version");
  }
  const absl::string_view nonce = sealed.substr(1, kNonceSize);
  const absl::string_view ciphertext = sealed.substr(1 + kNonceSize, sealed.size() - 1 - kNonceSize - kTagSize);
  std::string tag(sealed.substr(sealed.size() - kTagSize));
  std::string plaintext(ciphertext.size(), '\0');
  if (!Crypt(false, key, nonce, label, ciphertext, plaintext, tag)) {
    Secret::Wipe(plaintext);  // GCM writes it out before it knows whether it is authentic
    return absl::FailedPreconditionError("a sealed value does not open: it was changed, or sealed with another key");
  }
  return Secret(std::move(plaintext));
}

}  // namespace watchword
