#include "server/crypto/tls_files.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "absl/cleanup/cleanup.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/crypto/openssl.h"
#include "watchword/base/file.h"
#include "watchword/base/secret.h"

namespace watchword {
namespace {

constexpr size_t kMaxPemSize = 1 << 20;

using Bio = OpenSslPtr<BIO, BIO_free>;
using Certificate = OpenSslPtr<X509, X509_free>;
using Key = OpenSslPtr<EVP_PKEY, EVP_PKEY_free>;

absl::StatusOr<Secret> Read(const std::string& path) {
  absl::StatusOr<std::string> pem = ReadFile(path, kMaxPemSize);
  if (!pem.ok()) return absl::FailedPreconditionError(pem.status().message());
  return Secret(*std::move(pem));
}

Bio Open(const Secret& pem) { return Bio(BIO_new_mem_buf(pem.Reveal().data(), static_cast<int>(pem.Reveal().size()))); }

// OpenSSL would ask the terminal.
int NoPassphrase(char*, int, int, void*) { return -1; }

absl::StatusOr<Certificate> ReadCertificate(const std::string& path) {
  const absl::StatusOr<Secret> pem = Read(path);
  if (!pem.ok()) return pem.status();
  Certificate certificate(PEM_read_bio_X509(Open(*pem).get(), nullptr, NoPassphrase, nullptr));
  if (certificate == nullptr) return absl::FailedPreconditionError(absl::StrCat(path, " holds no certificate in PEM"));
  return certificate;
}

absl::StatusOr<Key> ReadPrivateKey(const std::string& path) {
  const absl::StatusOr<Secret> pem = Read(path);
  if (!pem.ok()) return pem.status();
  Key key(PEM_read_bio_PrivateKey(Open(*pem).get(), nullptr, NoPassphrase, nullptr));
  if (key == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(path, " holds no private key in PEM without a passphrase"));
  }
  return key;
}

}  // namespace

absl::Status CheckTlsFiles(const std::string& certificate, const std::string& key, const std::string& client_ca) {
  const absl::Cleanup forget_errors = [] { ERR_clear_error(); };  // of this thread: others would find them
  const absl::StatusOr<Certificate> shown = ReadCertificate(certificate);
  if (!shown.ok()) return shown.status();
  const absl::StatusOr<Key> secret = ReadPrivateKey(key);
  if (!secret.ok()) return secret.status();
  if (X509_check_private_key(shown->get(), secret->get()) != 1) {
    return absl::FailedPreconditionError(
        absl::StrCat("the private key ", key, " does not belong to the certificate ", certificate));
  }
  return client_ca.empty() ? absl::OkStatus() : ReadCertificate(client_ca).status();
}

}  // namespace watchword
