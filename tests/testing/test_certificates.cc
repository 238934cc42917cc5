#include "testing/test_certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

namespace watchword {
namespace {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using File = std::unique_ptr<FILE, Freer<fclose>>;

// A test cannot go on without its certificates.
void Require(bool ok) {
  if (!ok) std::abort();
}

void AddExtension(X509* certificate, int nid, const char* value) {
  std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, nullptr, nid, value));
  Require(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1);
}

// A certificate that `issuer` signs, or that signs itself if that is null. Good from yesterday until tomorrow.
Certificate Issue(const char* name, long serial, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key) {
  Certificate certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -24 * 3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 24 * 3600);
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), issuer == nullptr ? subject : X509_get_subject_name(issuer));
  X509_set_pubkey(certificate.get(), key);
  if (issuer == nullptr) {
    AddExtension(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
    AddExtension(certificate.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  } else {
    AddExtension(certificate.get(), NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1");
    AddExtension(certificate.get(), NID_ext_key_usage, "serverAuth,clientAuth");
  }
  Require(X509_sign(certificate.get(), issuer_key, EVP_sha256()) > 0);
  return certificate;
}

void WriteCertificate(const std::string& path, X509* certificate) {
  const File file(std::fopen(path.c_str(), "w"));
  Require(file != nullptr && PEM_write_X509(file.get(), certificate) == 1);
}

void WriteKey(const std::string& path, EVP_PKEY* key) {
  const File file(std::fopen(path.c_str(), "w"));
  Require(file != nullptr && PEM_write_PrivateKey(file.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
}

std::string NewFolder() {
  std::string folder = (std::filesystem::temp_directory_path() / "watchword-certificates-XXXXXX").string();
  Require(mkdtemp(folder.data()) != nullptr);
  return folder;
}

}  // namespace

TestCertificates::TestCertificates() : folder_(NewFolder()) {
  const Key ca_key(EVP_EC_gen("P-256")), server_key(EVP_EC_gen("P-256")), client_key(EVP_EC_gen("P-256"));
  const Certificate ca = Issue("Test CA", 1, ca_key.get(), nullptr, ca_key.get());
  WriteCertificate(ca_file(), ca.get());
  WriteCertificate(server_certificate_file(), Issue("server", 2, server_key.get(), ca.get(), ca_key.get()).get());
  WriteKey(server_key_file(), server_key.get());
  WriteCertificate(client_certificate_file(), Issue("client", 3, client_key.get(), ca.get(), ca_key.get()).get());
  WriteKey(client_key_file(), client_key.get());
}

TestCertificates::~TestCertificates() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string ReadTestFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  Require(file.good());
  std::ostringstream contents;
  contents << file.rdbuf();
  return contents.str();
}

}  // namespace watchword
