#include "watchword/gate/tls_files.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ctime>
#include <memory>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "watchword/base/file.h"

namespace watchword {
namespace {

constexpr size_t kMaxPemSize = 1 << 20;

template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Bio = std::unique_ptr<BIO, Free<BIO_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;

absl::StatusOr<std::string> Read(const std::string& path) {
  absl::StatusOr<std::string> pem = ReadFile(path, kMaxPemSize);
  if (!pem.ok()) return absl::FailedPreconditionError(pem.status().message());
  return pem;
}

Bio Open(absl::string_view pem) { return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))); }

// OpenSSL would ask the terminal.
int NoPassphrase(char*, int, int, void*) { return -1; }

// All certificates in the file; at least one.
absl::StatusOr<std::vector<Certificate>> ParseCertificates(const std::string& path, absl::string_view pem) {
  std::vector<Certificate> certificates;
  const Bio bio = Open(pem);
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr)) {
    certificates.emplace_back(certificate);
  }
  // What comes after the last one may be text, but not the beginning of another.
  const unsigned long error = ERR_peek_last_error();
  const bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (certificates.empty()) return absl::FailedPreconditionError(absl::StrCat(path, " holds no certificate in PEM"));
  if (!at_end)
    return absl::FailedPreconditionError(absl::StrCat(path, " holds a certificate that is damaged or cut off"));
  return certificates;
}

absl::StatusOr<Key> ParsePrivateKey(const std::string& path, absl::string_view pem) {
  Key key(PEM_read_bio_PrivateKey(Open(pem).get(), nullptr, NoPassphrase, nullptr));
  if (key == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(path, " holds no private key in PEM without a passphrase"));
  }
  return key;
}

absl::Time ExpiryOf(const Certificate& certificate) {
  std::tm time{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &time) != 1) return absl::UnixEpoch();
  return absl::FromTM(time, absl::UTCTimeZone());
}

}  // namespace

absl::StatusOr<TlsMaterial> ReadTlsFiles(const std::string& certificate, const std::string& key,
                                         const std::string& client_ca) {
  const absl::Cleanup forget_errors = [] { ERR_clear_error(); };  // of this thread: others would find them
  TlsMaterial material;
  absl::StatusOr<std::string> chain = Read(certificate);
  if (!chain.ok()) return chain.status();
  const auto certificates = ParseCertificates(certificate, *chain);
  if (!certificates.ok()) return certificates.status();
  material.certificate_chain = *std::move(chain);
  material.expires_at = ExpiryOf(certificates->front());

  absl::StatusOr<std::string> key_pem = Read(key);
  if (!key_pem.ok()) return key_pem.status();
  material.private_key = Secret(*std::move(key_pem));
  const absl::StatusOr<Key> parsed_key = ParsePrivateKey(key, material.private_key.Reveal());
  if (!parsed_key.ok()) return parsed_key.status();
  if (X509_check_private_key(certificates->front().get(), parsed_key->get()) != 1) {
    return absl::FailedPreconditionError(
        absl::StrCat("the private key ", key, " does not belong to the certificate ", certificate));
  }
  if (client_ca.empty()) return material;
  absl::StatusOr<std::string> ca_pem = Read(client_ca);
  if (!ca_pem.ok()) return ca_pem.status();
  if (auto parsed = ParseCertificates(client_ca, *ca_pem); !parsed.ok()) return parsed.status();
  material.client_ca = *std::move(ca_pem);
  return material;
}

}  // namespace watchword
