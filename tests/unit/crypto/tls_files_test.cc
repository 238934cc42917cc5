#include "server/crypto/tls_files.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "testing/test_certificates.h"

namespace watchword {
namespace {

using testing::HasSubstr;

class TlsFilesTest : public testing::Test {
 protected:
  void ExpectRefused(const absl::Status& status, const std::string& named) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(named));
  }

  const TestCertificates files_;
  const std::string certificate_ = files_.server_certificate_file();
  const std::string key_ = files_.server_key_file();
};

TEST_F(TlsFilesTest, CertificateAndItsKeyAreGood) {
  EXPECT_THAT(CheckTlsFiles(certificate_, key_, ""), IsOk());
  EXPECT_THAT(CheckTlsFiles(certificate_, key_, files_.ca_file()), IsOk());
}

TEST_F(TlsFilesTest, KeyOfAnotherCertificateIsRefused) {
  ExpectRefused(CheckTlsFiles(certificate_, files_.client_key_file(), ""), files_.client_key_file());
}

TEST_F(TlsFilesTest, FileOfAnotherKindIsRefusedByItsName) {
  ExpectRefused(CheckTlsFiles(key_, key_, ""), key_);
  ExpectRefused(CheckTlsFiles(certificate_, certificate_, ""), certificate_);
  ExpectRefused(CheckTlsFiles(certificate_, key_, key_), key_);
}

TEST_F(TlsFilesTest, MissingFileIsRefusedByItsName) {
  ExpectRefused(CheckTlsFiles("/no/cert", key_, ""), "/no/cert");
  ExpectRefused(CheckTlsFiles(certificate_, "/no/key", ""), "/no/key");
  ExpectRefused(CheckTlsFiles(certificate_, key_, "/no/ca"), "/no/ca");
}

}  // namespace
}  // namespace watchword
