#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "probe_server.h"
#include "raw_call.h"
#include "testing/test_signer.h"
#include "watchword/base/log.h"
#include "watchword/base/testing/fake_clock.h"
#include "watchword/gate/gate.h"
#include "watchword/token/reasons.h"
#include "watchword/trust/trust_state.h"

namespace watchword {

inline constexpr const char* kProbePath = "/probe.v1.ProbeService/";

// Keeps what is logged as an error.
class ErrorLog final : public Logger {
 public:
  void Write(Severity severity, absl::string_view message, absl::Span<const LogField> fields) override {
    if (severity != Severity::kError) return;
    absl::StrAppend(&text, message);
    for (const LogField& field : fields) absl::StrAppend(&text, " ", field.value);
  }
  std::string text;
};

// A gate on a trust state that the test fills, and tokens for it.
class GateFixture : public testing::Test {
 protected:
  GateFixture() {
    trust_.SetKeys(signer_.keys());
    gate_ =
        Gate::CreateOn(
            trust_, {.issuer = std::string(kTestIssuer), .audiences = {std::string(kTestAudience)}, .clock = &clock_})
            .value();
  }

  Claims ProbeClaims() const {
    Claims claims = GoodClaims(clock_.Now());
    claims.scopes = {"probe.call"};
    return claims;
  }
  std::string Token(const Claims& claims) const { return MintToken(signer_, claims); }
  // The metadata that carries a token.
  static Metadata Bearer(const std::string& token) { return {{"authorization", "Bearer " + token}}; }

  FakeClock clock_;
  const TestSigner signer_{Algorithm::kEs256};
  TrustState trust_{clock_};
  std::unique_ptr<Gate> gate_;
};

}  // namespace watchword
