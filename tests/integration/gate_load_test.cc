// Calls by the thousand while the keys change: each is served as its caller, and none loses time that its deadline
// gave.
#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gate_fixture.h"

namespace watchword {
namespace {

class GateLoadTest : public GateFixture, public testing::WithParamInterface<Style> {
 protected:
  GateLoadTest() : server_(GetParam(), *gate_, "127.0.0.1:0", PortSecurity::Plaintext()) {
    channel_ = grpc::CreateChannel(absl::StrCat("127.0.0.1:", server_.port()), grpc::InsecureChannelCredentials());
    swapper_ = std::thread([this] { SwapKeys(); });
  }
  ~GateLoadTest() override {
    done_ = true;
    swapper_.join();
  }

  CallResult Call(const std::string& method, const Metadata& metadata) {
    return RawCall(channel_, kProbePath + method, metadata);
  }

  // Sets the keys again and again: the signer's alone, and another one as well. So whatever is cached is of old keys.
  void SwapKeys() {
    const TestSigner next(Algorithm::kEs256, "next-key");
    const KeySet one = signer_.keys(), both = KeySet::FromJwks({signer_.jwk(), next.jwk()}).value();
    for (int i = 0; !done_; ++i) {
      trust_.SetKeys(i % 2 == 0 ? both : one);
      std::this_thread::yield();
    }
  }

  ProbeServer server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::atomic<bool> done_{false};
  std::thread swapper_;
};

TEST_P(GateLoadTest, EachCallDuringKeySwapsIsServedAsItsCaller) {
  constexpr int kUsers = 50, kThreads = 16, kCalls = 4'000, kSwaps = 200;
  std::vector<std::pair<std::string, std::string>> users;  // subject and token
  for (int i = 0; i < kUsers; ++i) {
    Claims claims = ProbeClaims();
    claims.subject = absl::StrCat("user-", i);
    users.emplace_back(claims.subject, Token(claims));
  }
  std::atomic<int> next{0}, wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = next++; i < kCalls || trust_.keys_version() < kSwaps; i = next++) {
        const auto& [subject, token] = users[i % kUsers];
        const CallResult result = Call("Unary", Bearer(token));
        if (!result.status.ok() || result.caller != subject) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

int64_t NowMicros() { return absl::ToUnixMicros(absl::Now()); }

// A deadline goes over the wire as what is left of it, rounded up: it may come out later over there, not earlier.
TEST_P(GateLoadTest, HandlerOfAVerifiedCallHasTheTimeThatAnAnonymousOneHas) {
  constexpr int kRounds = 300;
  constexpr int64_t kMillisecond = 1'000, kPatience = 20'000 * kMillisecond;  // of RawCall
  int64_t open = kPatience, verified = kPatience;                             // the least time from call to handler
  for (int i = 0; i < kRounds; ++i) {
    for (int64_t* const least : {&open, &verified}) {
      Claims claims = ProbeClaims();
      claims.token_id = absl::StrCat("call-", i);
      const Metadata metadata = Bearer(Token(claims));  // new: its signature is checked
      const int64_t begin = NowMicros();
      const CallResult result = least == &open ? Call("Open", {}) : Call("Unary", metadata);
      ASSERT_TRUE(result.status.ok()) << result.status.error_message();
      EXPECT_GE(result.deadline, begin + kPatience - kMillisecond);
      *least = std::min(*least, result.handled_at - begin);
    }
  }
  EXPECT_LT(verified - open, kMillisecond);
}

std::string LoadStyleName(const testing::TestParamInfo<Style>& info) {
  static const char* const kNames[] = {"Sync", "Callback", "Async"};
  return kNames[static_cast<int>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(All, GateLoadTest, testing::Values(Style::kSync, Style::kCallback, Style::kAsync),
                         LoadStyleName);

}  // namespace
}  // namespace watchword
