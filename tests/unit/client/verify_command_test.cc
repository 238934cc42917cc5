#include "client/command/verify_command.h"

#include <nlohmann/json.hpp>
#include <sstream>
#include <streambuf>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "testing/test_signer.h"
#include "watchword/base/file.h"
#include "watchword/base/testing/fake_clock.h"

namespace watchword {
namespace {

using nlohmann::json;

class VerifyCommandTest : public testing::Test {
 protected:
  void SetUp() override {
    const Jwk& jwk = signer_.jwk();
    WriteJwks(
        json{{"keys", {{{"kty", jwk.kty}, {"kid", jwk.kid}, {"crv", jwk.crv}, {"x", jwk.x}, {"y", jwk.y}}}}}.dump());
    options_.jwks_file = jwks_file_;
    options_.now = absl::ToUnixSeconds(now_);
  }
  void TearDown() override { std::remove(jwks_file_.c_str()); }

  void WriteJwks(const std::string& text) { ASSERT_TRUE(WriteSecretFile(jwks_file_, text).ok()); }

  // The verdicts on `input`, and that the command succeeded.
  std::vector<json> Verdicts(const std::string& input) {
    std::istringstream in(input);
    std::ostringstream out, err;
    EXPECT_EQ(RunVerify(options_, in, out, err), 0);
    EXPECT_EQ(err.str(), "");
    std::vector<json> verdicts;
    for (const auto line : absl::StrSplit(out.str(), '\n', absl::SkipEmpty())) verdicts.push_back(json::parse(line));
    return verdicts;
  }
  json VerdictOn(const std::string& line) {
    const std::vector<json> verdicts = Verdicts(line + "\n");
    EXPECT_EQ(verdicts.size(), 1);
    return verdicts.empty() ? json() : verdicts[0];
  }

  // The one line on standard error of a run that must fail.
  std::string Failure() {
    std::istringstream in(good_ + "\n");
    std::ostringstream out, err;
    EXPECT_EQ(RunVerify(options_, in, out, err), 1);
    EXPECT_EQ(out.str(), "");
    EXPECT_EQ(err.str().find('\n'), err.str().size() - 1) << err.str();
    return err.str();
  }

  const absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  const TestSigner signer_{Algorithm::kEs256};
  const std::string good_ = MintToken(signer_, GoodClaims(now_));
  const std::string jwks_file_ = absl::StrCat(testing::TempDir(), "/verify_",
                                              testing::UnitTest::GetInstance()->current_test_info()->name(), ".json");
  VerifyOptions options_;
};

TEST_F(VerifyCommandTest, GoodTokenGetsItsClaims) {
  const Claims claims = GoodClaims(now_);
  EXPECT_EQ(VerdictOn(good_), (json{{"accepted", true},
                                    {"subject", claims.subject},
                                    {"session_id", claims.session_id},
                                    {"issuer", kTestIssuer.data()},
                                    {"audiences", {kTestAudience.data()}},
                                    {"scopes", {"orders.read", "orders.write"}},
                                    {"expires_at", 1'700'000'300}}));
}

TEST_F(VerifyCommandTest, RefusalGivesReasonAndDetail) {
  EXPECT_EQ(VerdictOn("x"), (json{{"accepted", false}, {"reason", "TOKEN_INVALID"}, {"detail", "malformed"}}));
  options_.now = 1'700'000'329;
  EXPECT_EQ(VerdictOn(good_)["accepted"], true);
  options_.now = 1'700'000'330;
  EXPECT_EQ(VerdictOn(good_)["accepted"], false);
  EXPECT_EQ(VerdictOn(good_)["reason"], "TOKEN_EXPIRED");
}

TEST_F(VerifyCommandTest, IssuerAndAudienceAreCheckedOnlyIfGiven) {
  options_.issuer = std::string(kTestIssuer);
  options_.audience = std::string(kTestAudience);
  EXPECT_EQ(VerdictOn(good_)["accepted"], true);
  options_.audience = "billing";
  EXPECT_EQ(VerdictOn(good_)["reason"], "TOKEN_INVALID");
  options_.audience.reset();
  options_.issuer = "https://another.test";
  EXPECT_EQ(VerdictOn(good_)["reason"], "TOKEN_INVALID");
  options_.issuer.reset();
  EXPECT_EQ(VerdictOn(good_)["accepted"], true);
}

TEST_F(VerifyCommandTest, WithoutNowTheClockDecides) {
  options_.now.reset();
  FakeClock clock(now_);
  for (const bool accepted : {true, false}) {
    std::istringstream in(good_);
    std::ostringstream out, err;
    EXPECT_EQ(RunVerify(options_, in, out, err, clock), 0);
    EXPECT_EQ(json::parse(out.str())["accepted"], accepted);
    clock.Advance(absl::Seconds(330));
  }
}

TEST_F(VerifyCommandTest, EveryLineGetsAVerdictInOrderWhateverItHolds) {
  const std::vector<std::string> lines = {good_,
                                          "",
                                          std::string("\0", 1),
                                          "\xff\xfe",
                                          good_ + "\r",
                                          good_,
                                          " ",
                                          good_ + " ",
                                          "{}",
                                          "...",
                                          "\r",
                                          good_,
                                          "\x1a",
                                          std::string(10'000'000, 'A'),
                                          std::string(70'000, '.'),
                                          good_};
  for (const bool last_line_ends : {true, false}) {
    const std::vector<json> verdicts = Verdicts(absl::StrJoin(lines, "\n") + (last_line_ends ? "\n" : ""));
    ASSERT_EQ(verdicts.size(), lines.size());
    for (size_t i = 0; i < lines.size(); ++i) EXPECT_EQ(verdicts[i]["accepted"], lines[i] == good_) << i;
  }
  EXPECT_TRUE(Verdicts("").empty());
  EXPECT_EQ(Verdicts("\n").size(), 1);
  EXPECT_EQ(Verdicts("\n\n").size(), 2);
}

TEST_F(VerifyCommandTest, ManyLinesAreJudgedInOneRun) {
  std::string input;
  for (int i = 0; i < 100'000; ++i) absl::StrAppend(&input, i % 1000 == 0 ? good_ : absl::StrCat("x", i), "\n");
  std::istringstream in(input);
  std::ostringstream out, err;
  EXPECT_EQ(RunVerify(options_, in, out, err), 0);
  const std::string text = out.str();
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  ASSERT_EQ(lines.size(), 100'001);
  for (size_t i = 0; i < 100'000; ++i) {
    ASSERT_EQ(lines[i].substr(0, 17), i % 1000 == 0 ? "{\"accepted\":true," : "{\"accepted\":false") << i;
  }
}

TEST_F(VerifyCommandTest, SignatureOnlyTakesAnyPayload) {
  options_.signature_only = true;
  const std::string header = R"({"alg":"ES256","kid":"test-key"})";
  EXPECT_EQ(VerdictOn(signer_.Sign(header, "")), (json{{"accepted", true}}));
  EXPECT_EQ(VerdictOn(signer_.Sign(header, "\xff")), (json{{"accepted", true}}));
  EXPECT_EQ(VerdictOn(good_ + "A")["reason"], "TOKEN_INVALID");
}

TEST_F(VerifyCommandTest, Base64LinesAreDecodedStrictly) {
  options_.base64 = true;
  for (const char* spaces : {"", " ", "  "}) {  // so that each amount of padding occurs
    const std::string token = signer_.Sign(signer_.Header() + spaces, ClaimsJson(GoodClaims(now_)));
    EXPECT_EQ(VerdictOn(absl::Base64Escape(token))["accepted"], true);
  }
  const std::string line = absl::Base64Escape(good_.substr(0, good_.size() - good_.size() % 3));
  EXPECT_EQ(VerdictOn(line)["detail"], "not signed by a trusted key");
  for (const std::string& bad :
       {line + "=", line + "==", line + "====", line + "\r", " " + line, line + "A", line + "-___",
        line + "QR==", line + "Q===", std::string("="), std::string("===="), good_}) {
    EXPECT_EQ(VerdictOn(bad)["detail"], "the line is not base64") << bad;
  }
  EXPECT_EQ(VerdictOn("")["detail"], "malformed") << "the empty token";
  EXPECT_EQ(VerdictOn(absl::Base64Escape(std::string("\n\0\xff+/", 5)))["detail"], "malformed");
}

TEST_F(VerifyCommandTest, KeySetThatCannotBeUsedIsOneClearLine) {
  WriteJwks("{\"keys\":[],}");
  EXPECT_EQ(Failure(), absl::StrCat("watchword verify: ", jwks_file_, ": not a strict JSON object\n"));
  options_.jwks_file = "/nonexistent/jwks.json";
  EXPECT_NE(Failure().find("/nonexistent/jwks.json"), std::string::npos);
  options_.jwks_file = testing::TempDir();
  Failure();
}

TEST_F(VerifyCommandTest, WrongOptionIsOneClearLine) {
  options_.issuer = "";
  EXPECT_EQ(Failure(), "watchword verify: --issuer is empty\n");
  options_.issuer.reset();
  options_.audience = "";
  EXPECT_EQ(Failure(), "watchword verify: --audience is empty\n");
  options_.audience.reset();
  options_.now = -1;
  EXPECT_EQ(Failure(), "watchword verify: --now is not a time in seconds since 1970\n");
  options_.now = INT64_MAX;
  EXPECT_EQ(Failure(), "watchword verify: --now is not a time in seconds since 1970\n");
}

// A stream that takes nothing, as on a full disk.
class FullBuffer : public std::streambuf {};

TEST_F(VerifyCommandTest, OutputThatCannotBeWrittenIsAFailure) {
  std::istringstream in(good_ + "\n" + good_ + "\n");
  FullBuffer buffer;
  std::ostream out(&buffer);
  std::ostringstream err;
  EXPECT_EQ(RunVerify(options_, in, out, err), 1);
  EXPECT_EQ(err.str(), "watchword verify: cannot write the verdicts\n");
}

}  // namespace
}  // namespace watchword
