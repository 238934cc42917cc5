#include "watchword/gate/tls_files.h"

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
  EXPECT_THAT(ReadTlsFiles(certificate_, key_, ""), IsOk());
  EXPECT_THAT(ReadTlsFiles(certificate_, key_, files_.ca_file()), IsOk());
}

TEST_F(TlsFilesTest, KeyOfAnotherCertificateIsRefused) {
  ExpectRefused(ReadTlsFiles(certificate_, files_.client_key_file(), "").status(), files_.client_key_file());
}

TEST_F(TlsFilesTest, FileOfAnotherKindIsRefusedByItsName) {
  ExpectRefused(ReadTlsFiles(key_, key_, "").status(), key_);
  ExpectRefused(ReadTlsFiles(certificate_, certificate_, "").status(), certificate_);
  ExpectRefused(ReadTlsFiles(certificate_, key_, key_).status(), key_);
}

TEST_F(TlsFilesTest, MissingFileIsRefusedByItsName) {
  ExpectRefused(ReadTlsFiles("/no/cert", key_, "").status(), "/no/cert");
  ExpectRefused(ReadTlsFiles(certificate_, "/no/key", "").status(), "/no/key");
  ExpectRefused(ReadTlsFiles(certificate_, key_, "/no/ca").status(), "/no/ca");
}

}  // namespace
}  // namespace watchword
