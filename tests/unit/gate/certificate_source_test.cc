#include "watchword/gate/certificate_source.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "testing/status_matchers.h"
#include "testing/test_certificates.h"
#include "watchword/base/testing/fake_clock.h"

namespace watchword {
namespace {

using testing::HasSubstr;

// Counts the errors.
class CountingLogger final : public Logger {
 public:
  void Write(Severity severity, absl::string_view, absl::Span<const LogField> fields) override {
    if (severity != Severity::kError) return;
    ++errors;
    for (const LogField& field : fields) last_error = field.value;
  }
  int errors = 0;
  std::string last_error;
};

class CertificateSourceTest : public testing::Test {
 protected:
  static void Put(const std::string& from, const std::string& to) {
    std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing);
  }
  static void Write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }
  std::shared_ptr<const TlsMaterial> Later() {
    clock_.Advance(CertificateSource::kPause);
    return source_.Current();
  }

  FakeClock clock_;
  CountingLogger log_;
  const TestCertificates files_, others_;
  std::vector<std::string> replaced_;
  CertificateSource source_{
      PortSecurity::Tls(files_.server_certificate_file(), files_.server_key_file(), files_.ca_file()), log_, clock_,
      [this](const std::string& file, const std::string&) { replaced_.push_back(file); }};
};

TEST_F(CertificateSourceTest, UnchangedFilesAreTheSameObject) {
  ASSERT_THAT(source_.Load(), IsOk());
  const auto first = source_.Current();
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(Later(), first);
  EXPECT_GT(first->expires_at, absl::UnixEpoch());
  EXPECT_EQ(source_.failures(), 0u);
}

TEST_F(CertificateSourceTest, PairThatDoesNotMatchKeepsTheOldOneUntilItDoes) {
  ASSERT_THAT(source_.Load(), IsOk());
  const auto first = source_.Current();
  Put(others_.server_key_file(), files_.server_key_file());
  EXPECT_EQ(Later(), first);
  EXPECT_EQ(Later(), first);
  EXPECT_EQ(source_.failures(), 2u);
  EXPECT_EQ(log_.errors, 1) << "said once, not at each look";
  EXPECT_THAT(log_.last_error, HasSubstr(files_.server_key_file()));
  Put(others_.server_certificate_file(), files_.server_certificate_file());
  const auto second = Later();
  EXPECT_NE(second, first);
  EXPECT_EQ(second->certificate_chain, ReadTestFile(others_.server_certificate_file()));
  EXPECT_EQ(replaced_, std::vector<std::string>{files_.server_certificate_file()});
  EXPECT_EQ(source_.failures(), 2u);
}

TEST_F(CertificateSourceTest, FileThatIsHalfWrittenKeepsTheOldOne) {
  ASSERT_THAT(source_.Load(), IsOk());
  const auto first = source_.Current();
  const std::string certificate = ReadTestFile(files_.server_certificate_file());
  const std::string authority = ReadTestFile(files_.ca_file());
  const auto half = [](const std::string& text) { return text.substr(0, text.size() / 2); };
  // The second has a whole certificate that matches, and half of the rest of its chain.
  for (const std::string& text : {half(certificate), certificate + half(authority), std::string()}) {
    Write(files_.server_certificate_file(), text);
    EXPECT_EQ(Later(), first) << text;
  }
  Write(files_.server_certificate_file(), certificate);
  Write(files_.ca_file(), authority + half(authority));
  EXPECT_EQ(Later(), first);
  EXPECT_EQ(source_.failures(), 4u);
  Write(files_.ca_file(), authority + ReadTestFile(others_.ca_file()));
  EXPECT_NE(Later(), first);
}

TEST_F(CertificateSourceTest, FilesAreNotLookedAtMoreThanOnceInAPause) {
  ASSERT_THAT(source_.Load(), IsOk());
  const auto first = source_.Current();
  std::filesystem::remove(files_.server_key_file());
  clock_.Advance(CertificateSource::kPause - absl::Nanoseconds(1));
  EXPECT_EQ(source_.Current(), first);
  EXPECT_EQ(source_.failures(), 0u);
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_EQ(source_.Current(), first);
  EXPECT_EQ(source_.failures(), 1u);
}

}  // namespace
}  // namespace watchword
