#include "watchword/trust/snapshot_file.h"

#include <sys/stat.h>

#include <fstream>

#include "feed_messages.h"
#include "gmock/gmock.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"
#include "testing/test_signer.h"
#include "watchword/base/file.h"
#include "watchword/base/log.h"
#include "watchword/base/testing/fake_clock.h"
#include "watchword/trust/trust_state.h"

namespace watchword {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

constexpr char kIssuer[] = "https://issuer.test";

class SnapshotFileTest : public testing::Test {
 protected:
  // A verifier.
  struct Side {
    explicit Side(const FakeClock& clock) : trust(clock), applier(trust, StderrLogger()) {}
    bool IsRevoked(const Uuid& session) const {
      Claims claims;
      claims.session_id = session.ToString();
      return trust.revocations().IsRevoked(VerifiedCredential::AssumeVerified(std::move(claims), "key"));
    }
    TrustState trust;
    FeedApplier applier;
  };

  SnapshotFileTest() {
    EXPECT_THAT(before_.applier.Apply(KeysMessage({signer_.jwk()})), IsOk());
    EXPECT_THAT(before_.applier.Apply(SnapshotMessage("epoch-1", 7, {SessionEntry(7, revoked_)})), IsOk());
    EXPECT_THAT(Write(), IsOk());
  }

  absl::Status Write() {
    return WriteSnapshot(path_, kIssuer, before_.applier.state().value(), before_.trust.revocations());
  }
  absl::Status Read(const std::vector<std::string>& pins = {}, const std::string& issuer = kIssuer) {
    return ReadSnapshot(path_, issuer, pins, after_.applier);
  }
  // As it is, with its permissions; thousands of times, so not durably.
  void Overwrite(const std::string& text) { std::ofstream(path_, std::ios::binary | std::ios::trunc) << text; }
  void ExpectRefused(const std::string& why) {
    const absl::Status status = Read();
    EXPECT_THAT(status, HasCode(StatusCode::kFailedPrecondition));
    EXPECT_THAT(std::string(status.message()), HasSubstr(why));
    EXPECT_THAT(std::string(status.message()), HasSubstr(path_));
    EXPECT_FALSE(after_.applier.ready());
    EXPECT_EQ(after_.trust.keys_version(), 0u);
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.path() + "/trust";
  FakeClock clock_;
  const TestSigner signer_{Algorithm::kEs256};
  const Uuid revoked_ = NewSessionId();
  Side before_{clock_}, after_{clock_};
};

TEST_F(SnapshotFileTest, VerifierThatStartsFromItKnowsTheSameAndIsStaleAndResumes) {
  ASSERT_THAT(Read(), IsOk());
  EXPECT_TRUE(after_.applier.ready());
  EXPECT_NE(after_.trust.keys()->Find("test-key"), nullptr);
  EXPECT_TRUE(after_.IsRevoked(revoked_));
  EXPECT_FALSE(after_.IsRevoked(NewSessionId()));
  EXPECT_EQ(after_.trust.staleness(), absl::InfiniteDuration());
  const v1::Hello hello = after_.applier.StartStream();
  EXPECT_EQ(hello.epoch(), "epoch-1");
  EXPECT_EQ(hello.last_seq(), 7u);
  EXPECT_EQ(after_.applier.acknowledgement(), std::nullopt);
}

TEST_F(SnapshotFileTest, EveryKindOfRevocationIsKept) {
  const Uuid principal = NewSessionId();
  before_.trust.revocations().Add(
      {.target = Revocation::Principal{principal, clock_.Now()}, .expires_at = clock_.Now() + absl::Minutes(1)},
      clock_.Now());
  before_.trust.revocations().Add({.target = Revocation::Key{"bad"}, .expires_at = clock_.Now() + absl::Minutes(1)},
                                  clock_.Now());
  ASSERT_THAT(Write(), IsOk());
  ASSERT_THAT(Read(), IsOk());
  Claims claims = GoodClaims(clock_.Now());
  EXPECT_TRUE(after_.trust.revocations().IsRevoked(VerifiedCredential::AssumeVerified(claims, "bad")));
  claims.subject = principal.ToString();
  claims.session_id = "of another form";
  EXPECT_TRUE(after_.trust.revocations().IsRevoked(VerifiedCredential::AssumeVerified(claims, "good")));
  claims.issued_at += absl::Seconds(1);
  EXPECT_FALSE(after_.trust.revocations().IsRevoked(VerifiedCredential::AssumeVerified(claims, "good")));
}

TEST_F(SnapshotFileTest, FileThatOthersMayWriteOrOfAnotherIssuerIsRefused) {
  EXPECT_THAT(Read({}, "https://issuer.tes"), HasCode(StatusCode::kFailedPrecondition));
  EXPECT_THAT(Read({}, "https://issuer.test\n1"), HasCode(StatusCode::kFailedPrecondition));
  ASSERT_EQ(chmod(path_.c_str(), 0644), 0);
  ExpectRefused("");
}

TEST_F(SnapshotFileTest, AnyDamageIsNoticed) {
  const std::string good = ReadFile(path_, 1 << 20).value();
  for (size_t i = 0; i < good.size(); ++i) {
    std::string damaged = good;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    Overwrite(damaged);
    ExpectRefused("");
  }
  for (size_t size = 0; size < good.size(); ++size) {
    Overwrite(good.substr(0, size));
    ExpectRefused("");
  }
}

TEST_F(SnapshotFileTest, OnlyPinnedKeysAreTaken) {
  EXPECT_THAT(Read({"another"}), HasCode(StatusCode::kFailedPrecondition));
  EXPECT_EQ(after_.trust.keys_version(), 0u);
  EXPECT_THAT(Read({"another", JwkThumbprint(signer_.jwk())}), IsOk());
  EXPECT_EQ(after_.trust.keys()->size(), 1u);
}

TEST_F(SnapshotFileTest, MissingFileIsNotFound) {
  ASSERT_EQ(std::remove(path_.c_str()), 0);
  EXPECT_THAT(Read(), HasCode(StatusCode::kNotFound));
}

}  // namespace
}  // namespace watchword
