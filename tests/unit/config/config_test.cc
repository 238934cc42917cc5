#include "server/config/config.h"

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"

namespace watchword {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr absl::Duration kTick = absl::Nanoseconds(1);

class ConfigTest : public testing::Test {
 protected:
  // A file in a folder of this test's own.
  std::string File(const std::string& name, const std::string& contents) {
    const std::string path = absl::StrCat(folder_.path(), "/", name);
    std::ofstream(path) << contents;
    return path;
  }

  // With what is required, and `more`.
  absl::StatusOr<ParsedConfig> Parse(const std::vector<std::string>& more, const Variables& environment = {}) {
    std::vector<std::string> arguments = {"--data-dir", "/data", "--issuer", "https://issuer.example"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return ParseConfig(arguments, environment);
  }
  Config MustParse(const std::vector<std::string>& more, const Variables& environment = {}) {
    auto parsed = Parse(more, environment);
    EXPECT_THAT(parsed, IsOk());
    return parsed.ok() ? parsed->config : Config();
  }
  // The one line that stops the start; "" if nothing does.
  std::string ErrorOf(const std::vector<std::string>& more, const Variables& environment = {}) {
    return Message(Parse(more, environment));
  }
  static std::string Message(const absl::StatusOr<ParsedConfig>& parsed) {
    if (parsed.ok()) return "";
    EXPECT_THAT(parsed, HasCode(absl::StatusCode::kInvalidArgument));
    const std::string message(parsed.status().message());
    EXPECT_FALSE(absl::StrContains(message, "\n")) << message;
    return message;
  }

  TemporaryFolder folder_;
};

TEST_F(ConfigTest, DefaultsAreSafeAndComplete) {
  const Config config = MustParse({});
  ASSERT_EQ(config.listen.size(), 1u);
  EXPECT_EQ(config.listen[0].text, "127.0.0.1:7070");
  EXPECT_FALSE(config.listen[0].is_unix_socket);
  ASSERT_TRUE(config.ops_listen.has_value());
  EXPECT_EQ(config.ops_listen->host, "127.0.0.1");
  EXPECT_EQ(config.ops_listen->port, 7071);
  EXPECT_EQ(config.data_dir, "/data");
  EXPECT_EQ(config.sqlite_path, "/data/watchword.db");
  EXPECT_EQ(config.key_file, "/data/key-encryption-key");
  EXPECT_EQ(config.issuer, "https://issuer.example");
  EXPECT_THAT(config.default_audiences, ElementsAre("https://issuer.example"));
  EXPECT_EQ(config.signing_algorithm, Algorithm::kEs256);
  EXPECT_EQ(config.access_token_ttl, absl::Minutes(5));
  EXPECT_EQ(config.session_idle_timeout, absl::Hours(12));
  EXPECT_EQ(config.session_lifetime, absl::Hours(168));
  EXPECT_EQ(config.refresh_grace, absl::Seconds(10));
  EXPECT_FALSE(config.bootstrap_admin.has_value());
  EXPECT_TRUE(config.tls_cert.empty());
  EXPECT_EQ(config.password_min_length, 15u);
  EXPECT_EQ(config.hash_memory_kib, 19'456u);
  EXPECT_EQ(config.hash_passes, 2u);
  EXPECT_GE(config.hash_threads, 1u);
  EXPECT_EQ(config.log_level, Severity::kInfo);
  EXPECT_EQ(config.drain_delay, absl::ZeroDuration());
  EXPECT_EQ(config.drain_timeout, absl::Seconds(10));
  EXPECT_EQ(config.max_connection_age, absl::Minutes(10));
}

TEST_F(ConfigTest, DataDirAndIssuerAreRequired) {
  EXPECT_EQ(Message(ParseConfig({"--issuer", "https://i"}, {})),
            "--data-dir is missing: set it, as in --data-dir /var/lib/watchword");
  EXPECT_EQ(Message(ParseConfig({"--data-dir", "/data"}, {})),
            "--issuer is missing: set it, as in --issuer https://watchword.example.com");
  EXPECT_THAT(Message(ParseConfig({"--data-dir", "", "--issuer", "https://i"}, {})),
              HasSubstr("--data-dir is missing"));
}

TEST_F(ConfigTest, FlagWinsOverEnvironmentOverFileOverDefault) {
  const std::string file =
      File("ww.toml", "access-token-ttl = \"4m\"\ndrain-timeout = \"4s\"\nrefresh-grace = \"4s\"\n");
  const Variables environment = {{"WATCHWORD_ACCESS_TOKEN_TTL", "3m"}, {"WATCHWORD_DRAIN_TIMEOUT", "3s"}};
  const Config config = MustParse({"--config", file, "--access-token-ttl", "2m"}, environment);
  EXPECT_EQ(config.access_token_ttl, absl::Minutes(2));
  EXPECT_EQ(config.drain_timeout, absl::Seconds(3));
  EXPECT_EQ(config.refresh_grace, absl::Seconds(4));
  EXPECT_EQ(config.session_lifetime, absl::Hours(168));
}

TEST_F(ConfigTest, EverythingCanComeFromTheEnvironment) {
  const std::string file = File("ww.toml", "password-min-length = 20\n");
  const auto parsed = ParseConfig({}, {{"WATCHWORD_DATA_DIR", "/env"},
                                       {"WATCHWORD_ISSUER", "http://localhost:7070"},
                                       {"WATCHWORD_LISTEN", "127.0.0.1:1,unix:/run/ww"},
                                       {"WATCHWORD_ALLOW_PLAINTEXT", "true"},
                                       {"WATCHWORD_BOOTSTRAP_ADMIN", ""},
                                       {"WATCHWORD_CONFIG", file}});
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->config.data_dir, "/env");
  ASSERT_EQ(parsed->config.listen.size(), 2u);
  EXPECT_TRUE(parsed->config.listen[1].is_unix_socket);
  EXPECT_FALSE(parsed->config.bootstrap_admin.has_value());
  EXPECT_EQ(parsed->config.password_min_length, 20u);
}

TEST_F(ConfigTest, UnknownNamesStopTheStart) {
  EXPECT_THAT(ErrorOf({"--isuer", "x"}), HasSubstr("--isuer"));
  EXPECT_THAT(ErrorOf({"stray"}), HasSubstr("stray"));
  EXPECT_THAT(ErrorOf({}, {{"WATCHWORD_ISUER", "x"}}), StartsWith("unknown environment variable WATCHWORD_ISUER"));
  EXPECT_THAT(ErrorOf({}, {{"WATCHWORD_TLS_CERTT", "x"}}), HasSubstr("WATCHWORD_TLS_CERTT"));
  const std::string file = File("ww.toml", "isuer = \"x\"\n");
  EXPECT_THAT(ErrorOf({"--config", file}), StartsWith(absl::StrCat(file, ": unknown setting \"isuer\"")));
  EXPECT_THAT(ErrorOf({"--config", File("own.toml", "config = \"x\"\n")}), HasSubstr("unknown setting \"config\""));
}

TEST_F(ConfigTest, VariablesOfOthersAreNoMistake) {
  EXPECT_EQ(ErrorOf({}, {{"WATCHWORD_ADDRESS", "a"},
                         {"WATCHWORD_USER", "u"},
                         {"WATCHWORD_TLS", "true"},
                         {"WATCHWORD_TLS_CA", "f"},
                         {"WATCHWORD_TLS_SERVER_NAME", "n"},
                         {"WATCHWORD_VECTORS", "v"},
                         {"WATCHWORDS", "another program"},
                         {"PATH", "/bin"}}),
            "");
  // What Kubernetes sets in pods beside Services called watchword and watchword-ops.
  EXPECT_EQ(ErrorOf({}, {{"WATCHWORD_SERVICE_HOST", "10.0.0.1"},
                         {"WATCHWORD_SERVICE_PORT", "7070"},
                         {"WATCHWORD_SERVICE_PORT_GRPC", "7070"},
                         {"WATCHWORD_PORT", "tcp://10.0.0.1:7070"},
                         {"WATCHWORD_PORT_7070_TCP_ADDR", "10.0.0.1"},
                         {"WATCHWORD_OPS_SERVICE_HOST", "10.0.0.2"},
                         {"WATCHWORD_OPS_PORT_7071_TCP", "tcp://10.0.0.2:7071"}}),
            "");
  EXPECT_NE(ErrorOf({}, {{"WATCHWORD_PORT_NAME", "x"}}), "");
}

TEST_F(ConfigTest, ErrorsNameSettingValueAndSource) {
  EXPECT_EQ(ErrorOf({"--drain-delay", "x"}),
            "--drain-delay \"x\": must be a time from 0s to 5m, such as 90s, 5m or 12h");
  EXPECT_EQ(ErrorOf({}, {{"WATCHWORD_DRAIN_DELAY", "x"}}),
            "--drain-delay \"x\" (from WATCHWORD_DRAIN_DELAY): must be a time from 0s to 5m, such as 90s, 5m or 12h");
  const std::string file = File("ww.toml", "drain-delay = \"x\"\n");
  EXPECT_THAT(ErrorOf({"--config", file}), StartsWith(absl::StrCat("--drain-delay \"x\" (from ", file, "): ")));
}

TEST_F(ConfigTest, FileThatCannotBeReadStopsTheStart) {
  EXPECT_THAT(ErrorOf({"--config", folder_.path() + "/missing"}), HasSubstr(folder_.path() + "/missing"));
  EXPECT_THAT(ErrorOf({"--config", File("bad.toml", "a b\n")}), HasSubstr("bad.toml, line 1: "));
  EXPECT_THAT(ErrorOf({"--config", File("two.toml", "issuer = [\"a\", \"b\"]\n")}),
              HasSubstr("issuer takes one value"));
}

TEST_F(ConfigTest, SettingGivenTwiceOrWithoutAValueIsRefused) {
  EXPECT_NE(ErrorOf({"--log-level", "info", "--log-level", "debug"}), "");
  EXPECT_NE(ErrorOf({"--log-level"}), "");
  EXPECT_NE(ErrorOf({"--listen", "127.0.0.1:1", "127.0.0.1:2"}), "");
}

TEST_F(ConfigTest, ControlCharactersAreRefused) {
  EXPECT_THAT(ErrorOf({"--key-file", "/a\nb"}), HasSubstr("--key-file"));
}

TEST_F(ConfigTest, TimesHaveBounds) {
  struct Case {
    std::string name;
    absl::Duration least, most;
  };
  for (const Case& c : {Case{"access-token-ttl", absl::Seconds(1), absl::Hours(1)},
                        Case{"session-lifetime", absl::Hours(12), absl::Hours(24 * 366)},
                        Case{"session-idle-timeout", absl::Seconds(1), absl::Hours(168)},
                        Case{"refresh-grace", absl::ZeroDuration(), absl::Seconds(60)},
                        Case{"drain-delay", absl::ZeroDuration(), absl::Minutes(5)},
                        Case{"drain-timeout", absl::ZeroDuration(), absl::Minutes(10)},
                        Case{"key-publication-time", absl::Seconds(5), absl::Hours(24)},
                        Case{"max-connection-age", absl::ZeroDuration(), absl::Hours(24)}}) {
    const auto error = [&](const std::string& text) { return ErrorOf({"--" + c.name, text}); };
    EXPECT_EQ(error(absl::FormatDuration(c.least)), "") << c.name;
    EXPECT_EQ(error(absl::FormatDuration(c.most)), "") << c.name;
    EXPECT_NE(error(absl::FormatDuration(c.least - kTick)), "") << c.name;
    EXPECT_NE(error(absl::FormatDuration(c.most + kTick)), "") << c.name;
    for (const std::string text : {"inf", "5", "5 m", "m", "-5m"}) {
      EXPECT_THAT(error(text), StartsWith(absl::StrCat("--", c.name, " \"", text, "\": must be a time"))) << c.name;
    }
  }
}

TEST_F(ConfigTest, IdleTimeoutMayNotExceedTheLifetime) {
  EXPECT_EQ(ErrorOf({"--session-idle-timeout", "1h", "--session-lifetime", "1h"}), "");
  EXPECT_THAT(ErrorOf({"--session-idle-timeout", "1h", "--session-lifetime", "59m"}),
              HasSubstr("must not be longer than --session-lifetime, 59m"));
}

TEST_F(ConfigTest, ZeroConnectionAgeMeansNever) {
  EXPECT_EQ(MustParse({}).key_rotation_period, absl::Hours(720));
  EXPECT_EQ(MustParse({"--key-rotation-period", "0s"}).key_rotation_period, absl::InfiniteDuration());
  EXPECT_EQ(MustParse({"--key-rotation-period", "1s"}).key_rotation_period, absl::Seconds(1));
  EXPECT_NE(ErrorOf({"--key-rotation-period", "999ms"}), "");
  EXPECT_EQ(MustParse({"--key-acknowledgement-timeout", "30m"}).key_acknowledgement_timeout, absl::Minutes(30));
  EXPECT_THAT(ErrorOf({"--key-acknowledgement-timeout", "29m"}), HasSubstr("--key-publication-time, 30m"));
  EXPECT_EQ(MustParse({"--max-connection-age", "0s"}).max_connection_age, absl::InfiniteDuration());
  EXPECT_EQ(MustParse({"--max-connection-age", "1s"}).max_connection_age, absl::Seconds(1));
  EXPECT_NE(ErrorOf({"--max-connection-age", "999ms"}), "");
}

TEST_F(ConfigTest, NumbersHaveBounds) {
  struct Case {
    std::string name;
    int least, most;
  };
  for (const Case& c : {Case{"password-min-length", 8, 128}, Case{"hash-passes", 1, 64}, Case{"hash-threads", 1, 256},
                        Case{"hash-queue", 1, 100'000}, Case{"store-threads", 1, 256}, Case{"store-queue", 1, 100'000},
                        Case{"anonymous-rate", 1, 1'000'000}, Case{"anonymous-connection-rate", 1, 1'000'000},
                        Case{"max-connections", 1, 1'000'000}, Case{"max-connections-per-address", 1, 1'000'000}}) {
    const auto error = [&](const std::string& text) { return ErrorOf({"--" + c.name, text}); };
    EXPECT_EQ(error(absl::StrCat(c.least)), "") << c.name;
    EXPECT_EQ(error(absl::StrCat(c.most)), "") << c.name;
    for (const std::string& text : {absl::StrCat(c.least - 1), absl::StrCat(c.most + 1), std::string("1x"),
                                    std::string("+20"), std::string(" 20"), std::string("99999999999999999999")}) {
      EXPECT_THAT(error(text), HasSubstr("must be a whole number")) << c.name << " " << text;
    }
  }
}

TEST_F(ConfigTest, HashMemoryTakesUnits) {
  EXPECT_EQ(MustParse({"--hash-memory", "8MiB"}).hash_memory_kib, 8'192u);
  EXPECT_EQ(MustParse({"--hash-memory", "8192"}).hash_memory_kib, 8'192u);
  EXPECT_EQ(MustParse({"--hash-memory", "8193KiB"}).hash_memory_kib, 8'193u);
  EXPECT_EQ(MustParse({"--hash-memory", "1GiB"}).hash_memory_kib, 1'048'576u);
  for (const std::string text :
       {"8191", "1048577", "7MiB", "2GiB", "19MB", "MiB", "", "-1", "9223372036854775807GiB"}) {
    EXPECT_THAT(ErrorOf({"--hash-memory", text}), HasSubstr("must be a size")) << text;
  }
}

TEST_F(ConfigTest, HashBudgetIsEnoughForAllThreadsUnlessItIsSet) {
  EXPECT_EQ(MustParse({"--hash-threads", "4"}).hash_budget_kib, 256u * 1024);
  EXPECT_EQ(MustParse({"--hash-threads", "4", "--hash-memory", "1GiB"}).hash_budget_kib, 4u * 1024 * 1024);
  EXPECT_EQ(MustParse({"--hash-budget", "19MiB"}).hash_budget_kib, 19u * 1024);
  EXPECT_EQ(MustParse({"--hash-budget", "1024GiB"}).hash_budget_kib, 1024u * 1024 * 1024);
  EXPECT_THAT(ErrorOf({"--hash-budget", "1025GiB"}), HasSubstr("must be a size from 8MiB to 1024GiB"));
  EXPECT_THAT(ErrorOf({"--hash-budget", "18MiB"}), HasSubstr("must not be less than --hash-memory, 19MiB"));
}

TEST_F(ConfigTest, HashMaxWaitIsOneSecondUnlessItIsSet) {
  EXPECT_EQ(MustParse({}).hash_max_wait, absl::Seconds(1));
  EXPECT_EQ(MustParse({"--hash-max-wait", "10ms"}).hash_max_wait, absl::Milliseconds(10));
  EXPECT_NE(ErrorOf({"--hash-max-wait", "9ms"}), "");
  EXPECT_EQ(MustParse({"--hash-max-wait", "1m"}).hash_max_wait, absl::Minutes(1));
  EXPECT_NE(ErrorOf({"--hash-max-wait", "61s"}), "");
}

TEST_F(ConfigTest, WithoutTlsOnlyLoopbackAndUnixSockets) {
  for (const std::string local : {"127.0.0.1:0", "127.8.9.10:7070", "[::1]:7070", "localhost:7070", "unix:/run/ww"}) {
    EXPECT_EQ(ErrorOf({"--listen", local}), "") << local;
  }
  for (const std::string remote : {"0.0.0.0:7070", "[::]:7070", "10.0.0.1:7070", "example.com:7070", "128.0.0.1:7070",
                                   "127.0.0.1.example.com:7070", "localhost.example.com:7070", "[::ffff:1.2.3.4]:1"}) {
    EXPECT_THAT(ErrorOf({"--listen", "127.0.0.1:1", "--listen", remote}),
                testing::AllOf(StartsWith(absl::StrCat("--listen \"", remote, "\": without TLS")),
                               HasSubstr("set --tls-cert and --tls-key, or --allow-plaintext")));
    EXPECT_EQ(ErrorOf({"--listen", remote, "--allow-plaintext"}), "");
    EXPECT_NE(ErrorOf({"--listen", remote, "--allow-plaintext=false"}), "");
    const std::string pem = File("pem", "x");
    EXPECT_EQ(ErrorOf({"--listen", remote, "--tls-cert", pem, "--tls-key", pem}), "");
  }
}

TEST_F(ConfigTest, ListenAddressesAreChecked) {
  for (const std::string bad : {"", "127.0.0.1", "127.0.0.1:", ":7070", "127.0.0.1:65536", "127.0.0.1:-1", "::1:7070",
                                "[::1:7070", "[localhost]:7070", "unix:", "http://127.0.0.1:7070", "127.0.0.1:70 70"}) {
    EXPECT_THAT(ErrorOf({"--listen", bad}), StartsWith(absl::StrCat("--listen \"", bad, "\": must be "))) << bad;
  }
  EXPECT_EQ(ErrorOf({"--listen", "unix:" + std::string(107, 'x')}), "");
  EXPECT_NE(ErrorOf({"--listen", "unix:" + std::string(108, 'x')}), "");
  EXPECT_THAT(ErrorOf({"--config", File("ww.toml", "listen = []\n")}), StartsWith("--listen is empty"));
}

TEST_F(ConfigTest, OperationsPortMayBeOffOrRemote) {
  EXPECT_FALSE(MustParse({"--ops-listen", "off"}).ops_listen.has_value());
  const Config config = MustParse({"--ops-listen", "[::]:9090"});
  ASSERT_TRUE(config.ops_listen.has_value());
  EXPECT_EQ(config.ops_listen->host, "::");
  EXPECT_EQ(config.ops_listen->port, 9090);
  EXPECT_THAT(ErrorOf({"--ops-listen", "unix:/x"}), StartsWith("--ops-listen"));
}

TEST_F(ConfigTest, IssuerIsAPlainUrl) {
  const auto error = [](const std::string& issuer) {
    return Message(ParseConfig({"--data-dir", "/data", "--issuer", issuer}, {}));
  };
  for (const std::string good : {"https://a", "http://127.0.0.1:7070", "https://a/b/c", "https://[::1]:7070"}) {
    EXPECT_EQ(error(good), "") << good;
  }
  for (const std::string bad : {"a", "ftp://a", "HTTPS://a", "https://", "https:///path", "https://:80", "https://a?q",
                                "https://a#f", "https://user@a", "https://a b", "https://\xc3\xa9"}) {
    EXPECT_THAT(error(bad), StartsWith(absl::StrCat("--issuer \"", bad, "\": must be"))) << bad;
  }
  EXPECT_EQ(error("https://" + std::string(247, 'a')), "");
  EXPECT_NE(error("https://" + std::string(248, 'a')), "");
}

TEST_F(ConfigTest, TlsFilesComeTogetherAndAreReadable) {
  const std::string pem = File("pem", "x");
  EXPECT_THAT(ErrorOf({"--tls-cert", pem}), HasSubstr("set --tls-key too"));
  EXPECT_THAT(ErrorOf({"--tls-key", pem}), HasSubstr("set --tls-cert too"));
  EXPECT_THAT(ErrorOf({"--tls-client-ca", pem}), HasSubstr("set --tls-cert and --tls-key too"));
  const std::string missing = folder_.path() + "/missing";
  EXPECT_THAT(ErrorOf({"--tls-cert", missing, "--tls-key", pem}), StartsWith(absl::StrCat("--tls-cert \"", missing)));
  EXPECT_THAT(ErrorOf({"--tls-cert", pem, "--tls-key", missing}), StartsWith("--tls-key"));
  EXPECT_THAT(ErrorOf({"--tls-cert", pem, "--tls-key", pem, "--tls-client-ca", missing}),
              StartsWith("--tls-client-ca"));
  const Config config = MustParse({"--tls-cert", pem, "--tls-key", pem, "--tls-client-ca", pem});
  EXPECT_EQ(config.tls_cert, pem);
  EXPECT_EQ(config.tls_client_ca, pem);
}

TEST_F(ConfigTest, ChoicesAreChecked) {
  EXPECT_EQ(MustParse({"--signing-algorithm", "EdDSA"}).signing_algorithm, Algorithm::kEdDsa);
  EXPECT_EQ(MustParse({"--signing-algorithm", "RS256"}).signing_algorithm, Algorithm::kRs256);
  EXPECT_THAT(ErrorOf({"--signing-algorithm", "none"}), HasSubstr("must be ES256, EdDSA or RS256"));
  EXPECT_EQ(MustParse({"--log-level", "error"}).log_level, Severity::kError);
  EXPECT_THAT(ErrorOf({"--log-level", "INFO"}), HasSubstr("must be debug, info, warning or error"));
  EXPECT_EQ(MustParse({"--store", "sqlite:/x.db"}).sqlite_path, "/x.db");
  EXPECT_THAT(ErrorOf({"--store", "sqlite:"}), HasSubstr("must be sqlite:PATH"));
  EXPECT_THAT(ErrorOf({"--store", "postgres://x"}), HasSubstr("must be sqlite:PATH"));
  EXPECT_THAT(ErrorOf({}, {{"WATCHWORD_ALLOW_PLAINTEXT", "maybe"}}), HasSubstr("must be true or false"));
}

TEST_F(ConfigTest, AudiencesAreChecked) {
  EXPECT_THAT(MustParse({"--default-audience", "a", "--default-audience", "b"}).default_audiences,
              ElementsAre("a", "b"));
  EXPECT_THAT(ErrorOf({"--default-audience", "a", "--default-audience", "b c"}),
              StartsWith("--default-audience \"b c\": "));
}

TEST_F(ConfigTest, FirstAdministratorIsChecked) {
  const Config config = MustParse({"--bootstrap-admin", "Admin", "--bootstrap-admin-password-file", "/run/secret"});
  EXPECT_EQ(config.bootstrap_admin, "admin");
  EXPECT_EQ(config.bootstrap_admin_password_file, "/run/secret");
  EXPECT_THAT(ErrorOf({"--bootstrap-admin", "a b"}), StartsWith("--bootstrap-admin \"a b\": "));
  EXPECT_THAT(ErrorOf({"--bootstrap-admin-password-file", "/run/secret"}), HasSubstr("set --bootstrap-admin too"));
}

TEST_F(ConfigTest, HelpAndVersionNeedNothingElse) {
  const auto help = ParseConfig({"--help"}, {{"WATCHWORD_WRONG", "x"}});
  ASSERT_THAT(help, IsOk());
  ASSERT_TRUE(help->print.has_value());
  EXPECT_THAT(*help->print, HasSubstr("--access-token-ttl"));
  const auto version = ParseConfig({"--version"}, {});
  ASSERT_THAT(version, IsOk());
  EXPECT_THAT(version->print.value_or(""),
              testing::MatchesRegex("watchwordd [0-9]+\\.[0-9]+\\.[0-9]+( \\([0-9a-f]+(-dirty)?\\))?\n"));
}

TEST_F(ConfigTest, PrintedConfigReadsBackToTheSame) {
  const std::string pem = File("a #\"pem\"", "x");
  const auto first = Parse(
      {"--print-config", "--listen", "unix:/run/a, b", "--listen", "0.0.0.0:1", "--tls-cert", pem, "--tls-key", pem,
       "--password-min-length", "20", "--allow-plaintext", "--bootstrap-admin", "root", "--ops-listen", "off"},
      {{"WATCHWORD_REFRESH_GRACE", "3s"}});
  ASSERT_THAT(first, IsOk());
  ASSERT_TRUE(first->print.has_value());
  EXPECT_THAT(*first->print, HasSubstr("refresh-grace = \"3s\"  # WATCHWORD_REFRESH_GRACE\n"));
  EXPECT_THAT(*first->print, HasSubstr("store = \"sqlite:/data/watchword.db\"  # default\n"));
  const auto second = ParseConfig({"--print-config", "--config", File("printed.toml", *first->print)}, {});
  ASSERT_THAT(second, IsOk());
  const auto without_sources = [](const std::string& text) {
    std::string kept;
    for (absl::string_view line : absl::StrSplit(text, '\n'))
      absl::StrAppend(&kept, line.substr(0, line.rfind("  # ")), "\n");
    return kept;
  };
  EXPECT_EQ(without_sources(*first->print), without_sources(*second->print));
  ASSERT_EQ(second->config.listen.size(), 2u);
  EXPECT_EQ(second->config.listen[0].text, "unix:/run/a, b");
  EXPECT_EQ(second->config.tls_key, pem);
  EXPECT_FALSE(second->config.ops_listen.has_value());
}

TEST_F(ConfigTest, PrintConfigChecksFirst) {
  EXPECT_THAT(ErrorOf({"--print-config", "--log-level", "loud"}), StartsWith("--log-level"));
}

TEST_F(ConfigTest, PrintedConfigHoldsNoSecret) {
  const std::string secret = File("secret", "hunter2-hunter2-hunter2");
  const auto parsed = Parse({"--print-config", "--bootstrap-admin", "root", "--bootstrap-admin-password-file", secret,
                             "--tls-cert", secret, "--tls-key", secret});
  ASSERT_THAT(parsed, IsOk());
  EXPECT_THAT(parsed->print.value_or(""), testing::AllOf(HasSubstr(secret), Not(HasSubstr("hunter2"))));
}

TEST_F(ConfigTest, MysqlStoreNeedsTlsUnlessToldOtherwise) {
  const std::string ca = File("ca.pem", "x");
  const Config config = MustParse(
      {"--store", "mysql://app@db1,db2:3307/watchword", "--store-tls-ca", ca, "--store-password-file", "/run/secret"});
  ASSERT_TRUE(config.mysql.has_value());
  EXPECT_EQ(config.mysql->tls_ca, ca);
  EXPECT_EQ(config.mysql->password_file, "/run/secret");
  EXPECT_FALSE(config.mysql->allow_plaintext);
  EXPECT_FALSE(config.mysql->allow_lossy_commits);
  EXPECT_EQ(config.store_threads, 16u);
  EXPECT_GT(config.mysql->connections, config.store_threads);
  EXPECT_TRUE(config.sqlite_path.empty());
  EXPECT_THAT(ErrorOf({"--store", "mysql://app@db/watchword"}), HasSubstr("needs TLS: set --store-tls-ca"));
  EXPECT_TRUE(MustParse({"--store", "mysql://app@db/watchword", "--allow-store-plaintext"}).mysql->allow_plaintext);
  EXPECT_THAT(ErrorOf({"--store", "mysql://app@db/watchword", "--allow-store-plaintext", "--store-tls-ca", ca}),
              HasSubstr("contradict each other"));
  EXPECT_EQ(MustParse({"--store", "mysql://app@localhost/watchword?socket=/run/my.sock"}).mysql->socket,
            "/run/my.sock");
}

TEST_F(ConfigTest, SettingsForMysqlAreRefusedForTheEmbeddedStore) {
  for (const std::string name : {"store-password-file", "store-tls-ca"}) {
    EXPECT_THAT(ErrorOf({"--" + name, "/x"}), HasSubstr("is for MySQL only"));
  }
  for (const std::string name : {"allow-store-plaintext", "allow-lossy-store", "migrate-at-start"}) {
    EXPECT_THAT(ErrorOf({"--" + name}), HasSubstr("is for MySQL only"));
  }
  EXPECT_THAT(ErrorOf({"migrate"}), HasSubstr("migrate is for MySQL only"));
}

TEST_F(ConfigTest, MigrateTakesTheSameSettings) {
  const auto parsed = Parse({"migrate", "--store", "mysql://app@db/watchword", "--allow-store-plaintext"});
  ASSERT_THAT(parsed, IsOk());
  EXPECT_TRUE(parsed->migrate);
  EXPECT_EQ(parsed->config.mysql->database, "watchword");
}

}  // namespace
}  // namespace watchword
