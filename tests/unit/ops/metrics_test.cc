#include "server/ops/metrics.h"

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace watchword {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

constexpr char kLogin[] = "/watchword.v1.AuthService/Login";

std::vector<std::string> LinesOf(const Metrics& metrics) { return absl::StrSplit(metrics.Render(), '\n'); }

std::string Rpcs(const std::string& method, const std::string& code, const std::string& reason, int count) {
  return absl::StrCat("watchword_rpcs_total{method=\"", method, "\",code=\"", code, "\",reason=\"", reason, "\"} ",
                      count);
}

TEST(MetricsTest, CountsRpcsByMethodCodeAndReason) {
  Metrics metrics({kLogin, "/watchword.v1.AuthService/Validate"});
  metrics.RecordRpc(kLogin, absl::StatusCode::kOk, "", absl::Milliseconds(1));
  metrics.RecordRpc(kLogin, absl::StatusCode::kOk, "", absl::Milliseconds(1));
  metrics.RecordRpc(kLogin, absl::StatusCode::kUnauthenticated, "INVALID_CREDENTIALS", absl::Milliseconds(1));
  metrics.RecordRpc("/watchword.v1.AuthService/Validate", absl::StatusCode::kOk, "", absl::Milliseconds(1));
  EXPECT_THAT(LinesOf(metrics), AllOf(Contains(Rpcs(kLogin, "OK", "", 2)),
                                      Contains(Rpcs(kLogin, "UNAUTHENTICATED", "INVALID_CREDENTIALS", 1)),
                                      Contains(Rpcs("/watchword.v1.AuthService/Validate", "OK", "", 1))));
}

TEST(MetricsTest, NamesThatACallerInventsAreCountedAsOther) {
  Metrics metrics({kLogin});
  metrics.RecordRpc("/invented.Service/Method", absl::StatusCode::kUnimplemented, "", absl::ZeroDuration());
  for (const std::string reason : {"lower", "TWO WORDS", "QUOTE\"", "LINE\n"}) {
    metrics.RecordRpc(kLogin, absl::StatusCode::kInternal, reason, absl::ZeroDuration());
  }
  metrics.RecordRpc(kLogin, absl::StatusCode::kInternal, std::string(64, 'A'), absl::ZeroDuration());
  metrics.RecordRpc(kLogin, absl::StatusCode::kInternal, std::string(65, 'A'), absl::ZeroDuration());
  metrics.RecordRpc(kLogin, static_cast<absl::StatusCode>(99), "", absl::ZeroDuration());
  EXPECT_THAT(
      LinesOf(metrics),
      AllOf(Contains(Rpcs("other", "UNIMPLEMENTED", "", 1)), Contains(Rpcs(kLogin, "INTERNAL", "other", 5)),
            Contains(Rpcs(kLogin, "INTERNAL", std::string(64, 'A'), 1)), Contains(Rpcs(kLogin, "other", "", 1))));
  EXPECT_THAT(metrics.Render(), Not(HasSubstr("invented")));
}

TEST(MetricsTest, NumberOfOutcomesRememberedForAMethodIsBounded) {
  Metrics metrics({kLogin});
  for (int i = 0; i < 100; ++i) {
    metrics.RecordRpc(kLogin, absl::StatusCode::kInternal, absl::StrCat("REASON_", i), absl::ZeroDuration());
  }
  const auto lines = LinesOf(metrics);
  EXPECT_THAT(lines, AllOf(Contains(Rpcs(kLogin, "INTERNAL", "REASON_63", 1)),
                           Contains(Rpcs(kLogin, "other", "other", 36)), Not(Contains(HasSubstr("REASON_64")))));
}

TEST(MetricsTest, DurationOnABoundIsInThatBucket) {
  Metrics metrics({kLogin});
  metrics.RecordRpc(kLogin, absl::StatusCode::kOk, "", absl::Milliseconds(10) - absl::Nanoseconds(1));
  metrics.RecordRpc(kLogin, absl::StatusCode::kOk, "", absl::Milliseconds(10));
  metrics.RecordRpc(kLogin, absl::StatusCode::kOk, "", absl::Milliseconds(10) + absl::Nanoseconds(1));
  metrics.RecordRpc(kLogin, absl::StatusCode::kOk, "", absl::Seconds(11));
  metrics.RecordRpc(kLogin, absl::StatusCode::kOk, "", -absl::Seconds(1));
  const std::string prefix = absl::StrCat("watchword_rpc_duration_seconds_bucket{method=\"", kLogin, "\",le=");
  EXPECT_THAT(LinesOf(metrics),
              AllOf(Contains(absl::StrCat(prefix, "\"0.0001\"} 1")), Contains(absl::StrCat(prefix, "\"0.005\"} 1")),
                    Contains(absl::StrCat(prefix, "\"0.01\"} 3")), Contains(absl::StrCat(prefix, "\"0.025\"} 4")),
                    Contains(absl::StrCat(prefix, "\"10\"} 4")), Contains(absl::StrCat(prefix, "\"+Inf\"} 5")),
                    Contains(absl::StrCat("watchword_rpc_duration_seconds_count{method=\"", kLogin, "\"} 5")),
                    Contains(absl::StrCat("watchword_rpc_duration_seconds_sum{method=\"", kLogin, "\"} 11.03"))));
}

TEST(MetricsTest, GaugesAndCountersAreReadWhenRendered) {
  Metrics metrics({});
  double depth = 3;
  metrics.AddGauge("watchword_store_queue_depth", "Store calls that wait.", [&depth] { return depth; });
  metrics.AddCounter("watchword_log_lines_dropped_total", "Log lines lost.", [] { return 7; });
  EXPECT_THAT(LinesOf(metrics),
              AllOf(Contains("watchword_store_queue_depth 3"), Contains("# TYPE watchword_store_queue_depth gauge"),
                    Contains("# HELP watchword_store_queue_depth Store calls that wait."),
                    Contains("watchword_log_lines_dropped_total 7"),
                    Contains("# TYPE watchword_log_lines_dropped_total counter")));
  depth = 4;
  EXPECT_THAT(LinesOf(metrics), Contains("watchword_store_queue_depth 4"));
}

TEST(MetricsTest, GaugeMayUseTheMetricsItself) {
  Metrics metrics({});
  metrics.AddGauge("watchword_outer", "", [&metrics] {
    metrics.AddGauge("watchword_inner", "", [] { return 1; });
    return 1;
  });
  EXPECT_THAT(metrics.Render(), HasSubstr("watchword_outer 1"));
}

TEST(MetricsTest, CountsFromManyThreadsAreAllThere) {
  Metrics metrics({kLogin});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&metrics] {
      for (int i = 0; i < 1000; ++i) {
        metrics.RecordRpc(kLogin, absl::StatusCode::kInternal, absl::StrCat("REASON_", i % 50), absl::ZeroDuration());
        if (i % 100 == 0) metrics.Render();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto lines = LinesOf(metrics);
  for (int i = 0; i < 50; ++i) {
    EXPECT_THAT(lines, Contains(Rpcs(kLogin, "INTERNAL", absl::StrCat("REASON_", i), 80)));
  }
}

}  // namespace
}  // namespace watchword
