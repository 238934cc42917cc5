#include "client/command/run.h"

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "client/command/failure.h"
#include "fake_server.h"
#include "scripted_prompt.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"
#include "watchword/base/testing/fake_clock.h"

namespace watchword {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

// How a run ended.
struct Outcome {
  int exit_code;
  std::string out;
  std::string err;
};

class RunTest : public testing::Test {
 protected:
  RunTest() {
    setenv("XDG_STATE_HOME", state_.path().c_str(), 1);
    server_.login = [this](const v1::LoginRequest& request, v1::LoginResponse& response) {
      login_ = request;
      return Grant(response, request.username() + "-1", clock_.Now() + absl::Minutes(5), "refresh-1");
    };
    server_.refresh = [this](const auto&, v1::RefreshResponse& response) {
      return Grant(response, "renewed", clock_.Now() + absl::Minutes(5), "refresh-2");
    };
    server_.validate = [](const auto&, v1::ValidateResponse& response) {
      response.set_active(true);
      response.mutable_principal()->set_username("alice");
      response.mutable_principal()->set_subject("subject-1");
      response.add_scopes("orders.read");
      response.mutable_expires_at()->set_seconds(1'800'000'300);
      return grpc::Status::OK;
    };
    server_.logout = [](const auto&, auto&) { return grpc::Status::OK; };
  }
  ~RunTest() override { unsetenv("XDG_STATE_HOME"); }

  // Runs at the fake server's address.
  Outcome Run(std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.end(), {"--address", server_.address(), "--timeout", "5s"});
    return RunAnywhere(arguments, input);
  }
  Outcome RunAnywhere(const std::vector<std::string>& arguments, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out, err;
    const int exit_code = RunCommand(arguments, {in, out, err, prompt_, clock_});
    return {exit_code, out.str(), err.str()};
  }
  void LogIn(const std::string& name = "alice") {
    ASSERT_EQ(Run({"login", name, "--password-stdin"}, "password").exit_code, kExitDone);
  }

  FakeServer server_;
  TemporaryFolder state_;
  FakeClock clock_;
  ScriptedPrompt prompt_{{"typed", "typed"}};
  v1::LoginRequest login_;
};

// Every message is one line that names the program.
void ExpectOneMessage(const Outcome& outcome) {
  EXPECT_THAT(outcome.err, StartsWith("watchword: "));
  EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1) << outcome.err;
}

TEST_F(RunTest, WrongUsageIsExitOneAndOneLine) {
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"nosuch"},
      {"login"},
      {"login", "a", "--password", "x"},
      {"token", "extra"},
      {"user"},
      {"user", "add"},
      {"session", "revoke"},
      {"session", "revoke", "id", "--user", "bob"},
      {"verify"},
      {"token", "--output", "xml"},
      {"token", "--timeout", "0s"},
      {"token", "--timeout", "5"},
      {"token", "--timeout", "-1s"},
      {"health", "--address", "nowhere"},
      {"health", "--tls", "--allow-plaintext"},
      {"login", "\xff"},
      {"verify", "--jwks", "x", "--now", "noon"},
  };
  for (const auto& arguments : wrong) {
    const auto outcome = RunAnywhere(arguments);
    EXPECT_EQ(outcome.exit_code, kExitLocal) << testing::PrintToString(arguments);
    EXPECT_EQ(outcome.out, "");
    ExpectOneMessage(outcome);
  }
}

TEST_F(RunTest, HelpAndVersionAreDataAndExitZero) {
  EXPECT_THAT(RunAnywhere({"--version"}).out, StartsWith("watchword "));
  const auto help = RunAnywhere({"user", "add", "--help"});
  EXPECT_EQ(help.exit_code, kExitDone);
  EXPECT_THAT(help.out, HasSubstr("--password-stdin"));
  EXPECT_EQ(help.err, "");
}

TEST_F(RunTest, LoginSendsWhatWasAskedForAndTellsNoSecret) {
  const auto outcome = Run({"login", "alice", "--password-stdin", "--audience", "orders", "--audience", "billing",
                            "--scope", "a", "--scope", "b", "--include-username"},
                           "correct horse\n");
  EXPECT_EQ(outcome.exit_code, kExitDone) << outcome.err;
  EXPECT_EQ(login_.username(), "alice");
  EXPECT_EQ(login_.password(), "correct horse");
  EXPECT_EQ(login_.kind(), v1::CREDENTIAL_KIND_ACCESS_TOKEN);
  EXPECT_THAT(login_.audiences(), ElementsAre("orders", "billing"));
  EXPECT_THAT(login_.scopes(), ElementsAre("a", "b"));
  EXPECT_TRUE(login_.include_username());
  for (const char* secret : {"alice-1", "refresh-1", "correct horse"}) {
    EXPECT_THAT(outcome.out + outcome.err, Not(HasSubstr(secret)));
  }
}

TEST_F(RunTest, LoginAsksOnTheTerminalAndCanGetASessionToken) {
  EXPECT_EQ(Run({"login", "alice", "--session-token"}, "not this").exit_code, kExitDone);
  EXPECT_EQ(login_.password(), "typed");
  EXPECT_EQ(login_.kind(), v1::CREDENTIAL_KIND_SESSION_TOKEN);
}

TEST_F(RunTest, NamesThatAreAlsoCommandsAreNames) {
  for (const char* name : {"health", "user", "list", "token"}) {
    LogIn(name);
    EXPECT_EQ(login_.username(), name);
  }
}

TEST_F(RunTest, TokenPrintsTheTokenAndNothingElse) {
  LogIn();
  const auto outcome = Run({"token"});
  EXPECT_EQ(outcome.exit_code, kExitDone);
  EXPECT_EQ(outcome.out, "alice-1\n");
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(nlohmann::json::parse(Run({"token", "--output", "json"}).out)["credential"], "alice-1");
}

TEST_F(RunTest, TokenIsRenewedThirtySecondsBeforeItExpires) {
  LogIn();
  clock_.Advance(absl::Minutes(5) - absl::Seconds(31));
  EXPECT_EQ(Run({"token"}).out, "alice-1\n");
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(Run({"token"}).out, "renewed\n");
  EXPECT_EQ(Run({"token"}).out, "renewed\n");
  EXPECT_EQ(server_.CountOf("Refresh"), 1);
}

TEST_F(RunTest, WithoutALoginEveryCommandThatNeedsOneIsExitFour) {
  const std::vector<std::vector<std::string>> commands = {
      {"token"},           {"refresh"},       {"logout"},       {"whoami"},
      {"validate"},        {"validate", "x"}, {"user", "list"}, {"user", "add", "bob"},
      {"session", "list"}, {"key", "list"}};
  for (const auto& command : commands) {
    const auto outcome = Run(command);
    EXPECT_EQ(outcome.exit_code, kExitNotLoggedIn) << testing::PrintToString(command);
    EXPECT_THAT(outcome.err, HasSubstr("watchword login NAME --address " + server_.address()));
    ExpectOneMessage(outcome);
  }
  EXPECT_THAT(server_.calls(), IsEmpty());
  EXPECT_EQ(prompt_.asked(), 0);
}

TEST_F(RunTest, LastLoginIsTheDefaultAndUserChoosesAnother) {
  LogIn("alice");
  LogIn("bob");
  EXPECT_EQ(Run({"token"}).out, "bob-1\n");
  EXPECT_EQ(Run({"token", "--user", "alice"}).out, "alice-1\n");
  EXPECT_EQ(Run({"logout"}).exit_code, kExitDone);
  EXPECT_EQ(Run({"token"}).exit_code, kExitNotLoggedIn) << "nobody acts as alice without saying so";
  EXPECT_EQ(Run({"token", "--user", "alice"}).out, "alice-1\n");
}

TEST_F(RunTest, EnvironmentSaysWhereAndWhoAndOptionsWin) {
  LogIn("alice");
  LogIn("bob");
  setenv("WATCHWORD_ADDRESS", server_.address().c_str(), 1);
  setenv("WATCHWORD_USER", "alice", 1);
  EXPECT_EQ(RunAnywhere({"token"}).out, "alice-1\n");
  EXPECT_EQ(RunAnywhere({"token", "--user", "bob"}).out, "bob-1\n");
  EXPECT_EQ(RunAnywhere({"token", "--address", "127.0.0.1:1"}).exit_code, kExitNotLoggedIn);
  unsetenv("WATCHWORD_ADDRESS");
  unsetenv("WATCHWORD_USER");
}

TEST_F(RunTest, RefusalsAreExitThree) {
  server_.login = [](const auto&, auto&) {
    return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "INVALID_CREDENTIALS: no");
  };
  const auto login = Run({"login", "alice", "--password-stdin"}, "wrong");
  EXPECT_EQ(login.exit_code, kExitRefused);
  ExpectOneMessage(login);
}

TEST_F(RunTest, RefusedRefreshIsExitThreeAndSaysToLogInAgain) {
  LogIn();
  clock_.Advance(absl::Minutes(5));
  for (const char* reason : {"TOKEN_REVOKED", "REFRESH_TOKEN_REUSED", "TOKEN_EXPIRED"}) {
    server_.refresh = [reason](const auto&, auto&) { return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, reason); };
    const auto outcome = Run({"token"});
    EXPECT_EQ(outcome.exit_code, kExitRefused);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr(reason));
    EXPECT_THAT(outcome.err, HasSubstr("log in again"));
  }
}

TEST_F(RunTest, MissingScopeIsExitThree) {
  LogIn();
  server_.list_users = [](const auto&, auto&) {
    return grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "INSUFFICIENT_SCOPE: watchword.admin");
  };
  const auto outcome = Run({"user", "list"});
  EXPECT_EQ(outcome.exit_code, kExitRefused);
  EXPECT_THAT(outcome.err, HasSubstr("watchword.admin"));
}

TEST_F(RunTest, DeadServerIsExitTwoAndNamesTheAddress) {
  LogIn();
  server_.Stop();
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{{"whoami"}, {"health"}}) {
    const auto outcome = Run(command);
    EXPECT_EQ(outcome.exit_code, kExitServer);
    EXPECT_THAT(outcome.err, HasSubstr(server_.address()));
    ExpectOneMessage(outcome);
  }
  EXPECT_EQ(Run({"token"}).out, "alice-1\n") << "a token that works still needs no server";
}

TEST_F(RunTest, FileOpenToOthersIsALocalProblem) {
  LogIn();
  for (const auto& entry : std::filesystem::directory_iterator(state_.path() + "/watchword")) {
    std::filesystem::permissions(entry.path(), std::filesystem::perms(0644));
  }
  const auto outcome = Run({"token"});
  EXPECT_EQ(outcome.exit_code, kExitLocal);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("chmod 600"));
}

TEST_F(RunTest, WhoamiPresentsTheCredentialAndShowsTheAnswer) {
  LogIn();
  const auto outcome = Run({"whoami", "--output", "json"});
  EXPECT_EQ(outcome.exit_code, kExitDone) << outcome.err;
  const auto answer = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(answer["username"], "alice");
  EXPECT_EQ(answer["expires_at"], "2027-01-15T08:05:00Z");
  EXPECT_THAT(server_.calls().back().authorization, ElementsAre("Bearer alice-1"));
  EXPECT_THAT(Run({"whoami"}).out, HasSubstr("subject     subject-1\n"));
}

TEST_F(RunTest, InactiveCredentialIsAnAnswerAndExitThree) {
  LogIn();
  server_.validate = [](const auto&, v1::ValidateResponse& response) {
    response.set_reason("TOKEN_REVOKED");
    return grpc::Status::OK;
  };
  for (const char* command : {"whoami", "validate"}) {
    const auto outcome = Run({command, "--output", "json"});
    EXPECT_EQ(outcome.exit_code, kExitRefused);
    EXPECT_EQ(nlohmann::json::parse(outcome.out), nlohmann::json({{"active", false}, {"reason", "TOKEN_REVOKED"}}));
  }
}

TEST_F(RunTest, ValidateWithoutArgumentJudgesTheStoredCredentialAsItIs) {
  LogIn();
  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(Run({"validate"}).exit_code, kExitDone);
  EXPECT_EQ(server_.CountOf("Refresh"), 0);
  EXPECT_THAT(server_.calls().back().authorization, ElementsAre("Bearer alice-1"));
}

TEST_F(RunTest, ValidateSendsAnotherCredentialInTheRequest) {
  LogIn();
  std::string judged;
  server_.validate = [&judged](const v1::ValidateRequest& request, auto&) {
    judged = request.credential();
    return grpc::Status::OK;
  };
  Run({"validate", "from.the.argument"});
  EXPECT_EQ(judged, "from.the.argument");
  Run({"validate", "-"}, "from.standard.input\n");
  EXPECT_EQ(judged, "from.standard.input");
  EXPECT_THAT(server_.calls().back().authorization, ElementsAre("Bearer alice-1"));
  EXPECT_EQ(Run({"validate", "-"}, "\n").exit_code, kExitLocal);
}

TEST_F(RunTest, LogoutForgetsTheLogin) {
  LogIn();
  EXPECT_EQ(Run({"logout", "--all"}).exit_code, kExitDone);
  EXPECT_EQ(Run({"logout"}).exit_code, kExitNotLoggedIn);
  EXPECT_EQ(server_.CountOf("Logout"), 1);
}

TEST_F(RunTest, RefreshTellsNoSecret) {
  LogIn();
  const auto outcome = Run({"refresh"});
  EXPECT_EQ(outcome.exit_code, kExitDone);
  EXPECT_THAT(outcome.out, Not(HasSubstr("renewed")));
  EXPECT_EQ(Run({"token"}).out, "renewed\n");
}

TEST_F(RunTest, UserAddSendsScopesAndThePasswordTypedTwice) {
  LogIn();
  v1::CreateUserRequest seen;
  server_.create_user = [&seen](const v1::CreateUserRequest& request, v1::CreateUserResponse& response) {
    seen = request;
    response.mutable_user()->mutable_principal()->set_username(request.username());
    return grpc::Status::OK;
  };
  const auto outcome = Run({"user", "add", "list", "--scope", "a", "--scope", "b"});
  EXPECT_EQ(outcome.exit_code, kExitDone) << outcome.err;
  EXPECT_EQ(seen.username(), "list");
  EXPECT_EQ(seen.password(), "typed");
  EXPECT_EQ(prompt_.asked(), 2);
  EXPECT_THAT(seen.scopes(), ElementsAre("a", "b"));
  EXPECT_THAT(server_.calls().back().authorization, ElementsAre("Bearer alice-1"));
}

TEST_F(RunTest, UserCommandsNameTheUser) {
  LogIn();
  std::vector<std::string> seen;
  server_.set_password = [&seen](const v1::SetPasswordRequest& request, auto&) {
    seen.push_back("passwd " + request.username() + " " + request.password());
    return grpc::Status::OK;
  };
  server_.disable_user = [&seen](const auto& request, auto&) {
    seen.push_back("disable " + request.username());
    return grpc::Status::OK;
  };
  server_.enable_user = [&seen](const auto& request, auto&) {
    seen.push_back("enable " + request.username());
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"user", "passwd", "bob", "--password-stdin"}, "new\n").exit_code, kExitDone);
  EXPECT_EQ(Run({"user", "disable", "bob"}).exit_code, kExitDone);
  EXPECT_EQ(Run({"user", "enable", "bob"}).exit_code, kExitDone);
  EXPECT_THAT(seen, ElementsAre("passwd bob new", "disable bob", "enable bob"));
}

TEST_F(RunTest, ListsAreReadToTheLastPage) {
  LogIn();
  server_.list_users = [](const v1::ListUsersRequest& request, v1::ListUsersResponse& response) {
    const bool first = request.page_token().empty();
    response.add_users()->mutable_principal()->set_username(first ? "anna" : "zoe");
    if (first) response.set_next_page_token("next");
    return grpc::Status::OK;
  };
  const auto users = nlohmann::json::parse(Run({"user", "list", "--output", "json"}).out);
  ASSERT_EQ(users.size(), 2u);
  EXPECT_EQ(users[0]["username"], "anna");
  EXPECT_EQ(users[1]["username"], "zoe");
  EXPECT_THAT(Run({"user", "list"}).out, StartsWith("USERNAME  KIND  SUBJECT  DISABLED  CREATED AT  SCOPES\nanna "));
}

TEST_F(RunTest, PageTokenThatStaysTheSameDoesNotLoopForEver) {
  LogIn();
  server_.list_users = [](const auto&, v1::ListUsersResponse& response) {
    response.set_next_page_token("again");
    return grpc::Status::OK;
  };
  Run({"user", "list"});
  EXPECT_EQ(server_.CountOf("ListUsers"), 2);
}

TEST_F(RunTest, SessionListIsOwnUnlessSomebodyIsNamed) {
  LogIn();
  std::vector<std::string> seen;
  server_.list_sessions = [&seen](const v1::ListSessionsRequest& request, v1::ListSessionsResponse& response) {
    seen.push_back(request.username());
    response.add_sessions()->set_session_id("s-1");
    return grpc::Status::OK;
  };
  EXPECT_THAT(Run({"session", "list"}).out, HasSubstr("s-1"));
  EXPECT_EQ(Run({"session", "list", "bob"}).exit_code, kExitDone);
  EXPECT_THAT(seen, ElementsAre("alice", "bob"));
}

TEST_F(RunTest, SessionRevokeTakesAnIdOrAUserWhoIsNotTheLogin) {
  LogIn();
  v1::RevokeSessionsRequest seen;
  server_.revoke_sessions = [&seen](const auto& request, auto&) {
    seen = request;
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"session", "revoke", "s-1"}).exit_code, kExitDone);
  EXPECT_EQ(seen.session_id(), "s-1");
  EXPECT_EQ(Run({"--user", "alice", "session", "revoke", "--user", "bob"}).exit_code, kExitDone);
  EXPECT_EQ(seen.username(), "bob");
  EXPECT_THAT(server_.calls().back().authorization, ElementsAre("Bearer alice-1"));
}

TEST_F(RunTest, KeyListShowsTheState) {
  LogIn();
  server_.list_signing_keys = [](const auto&, v1::ListSigningKeysResponse& response) {
    auto* key = response.add_keys();
    key->set_kid("k1");
    key->set_algorithm("ES256");
    key->set_state(v1::SIGNING_KEY_STATE_ACTIVE);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"key", "list"}).out, "KID  ALGORITHM  STATE   CREATED AT  CHANGED AT\nk1   ES256      active\n");
}

TEST_F(RunTest, KeyRotateShowsTheNewKeyAndSignsAtOnceOnlyIfTold) {
  LogIn();
  bool now = false;
  server_.rotate_signing_key = [&](const v1::RotateSigningKeyRequest& request, v1::RotateSigningKeyResponse& response) {
    now = request.now();
    response.mutable_key()->set_kid("k2");
    response.mutable_key()->set_state(v1::SIGNING_KEY_STATE_PUBLISHED);
    return grpc::Status::OK;
  };
  const auto rotated = Run({"key", "rotate"});
  EXPECT_THAT(rotated.out, HasSubstr("k2"));
  EXPECT_THAT(rotated.out, HasSubstr("published"));
  EXPECT_FALSE(now);
  EXPECT_EQ(Run({"key", "rotate", "--now"}).exit_code, kExitDone);
  EXPECT_TRUE(now);
}

TEST_F(RunTest, KeyRetireWantsToBeToldThatTheKeyIsCompromised) {
  LogIn();
  v1::RetireSigningKeyRequest seen;
  server_.retire_signing_key = [&](const v1::RetireSigningKeyRequest& request, v1::RetireSigningKeyResponse&) {
    seen = request;
    return grpc::Status::OK;
  };
  const auto without = Run({"key", "retire", "k1"});
  EXPECT_NE(without.exit_code, kExitDone);
  EXPECT_THAT(without.err, HasSubstr("--compromised"));
  EXPECT_EQ(seen.kid(), "") << "nothing was sent";
  EXPECT_EQ(Run({"key", "retire", "k1", "--compromised"}).exit_code, kExitDone);
  EXPECT_EQ(seen.kid(), "k1");
  EXPECT_TRUE(seen.compromised());
}

TEST_F(RunTest, HealthIsExitZeroOnlyWhileServing) {
  EXPECT_EQ(Run({"health"}).out, "SERVING\n");
  server_.health().SetServingStatus("part", false);
  const auto part = Run({"health", "part"});
  EXPECT_EQ(part.out, "NOT_SERVING\n");
  EXPECT_EQ(part.exit_code, kExitServer);
  const auto unknown = Run({"health", "nosuch"});
  EXPECT_EQ(unknown.exit_code, kExitServer);
  ExpectOneMessage(unknown);
}

TEST_F(RunTest, VerifyIsItsOwn) {
  const auto outcome = RunAnywhere({"verify", "--jwks", "/nonexistent/jwks.json"}, "x\n");
  EXPECT_EQ(outcome.exit_code, kExitLocal);
  EXPECT_THAT(outcome.err, HasSubstr("/nonexistent/jwks.json"));
}

TEST_F(RunTest, ServerTextCannotAddALineToAMessage) {
  server_.login = [](const auto&, auto&) {
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "x\nwatchword: all is well\x1b[2J");
  };
  ExpectOneMessage(Run({"login", "alice", "--password-stdin"}, "password"));
}

TEST_F(RunTest, OutputThatCannotBeWrittenIsALocalProblem) {
  LogIn();
  std::istringstream in;
  std::ostringstream out, err;
  out.setstate(std::ios::badbit);
  EXPECT_EQ(RunCommand({"token", "--address", server_.address()}, {in, out, err, prompt_, clock_}), kExitLocal);
}

TEST_F(RunTest, ImportSendsEachLineAndCountsWhatBecameOfIt) {
  LogIn();
  std::vector<v1::ImportUserRequest> seen;
  server_.import_user = [&](const v1::ImportUserRequest& request, auto&) {
    seen.push_back(request);
    return request.username() == "bert" ? grpc::Status(grpc::StatusCode::ALREADY_EXISTS, "USER_EXISTS: there is one")
                                        : grpc::Status::OK;
  };
  const auto outcome =
      Run({"user", "import", "-", "--output", "json"},
          "{\"username\":\"anna\",\"password_hash\":\"$6$x\",\"scopes\":[\"a\",\"b\"],\"disabled\":true}\r\n"
          "\n"
          "{\"username\":\"bert\",\"password_hash\":\"\"}");
  EXPECT_EQ(outcome.exit_code, kExitDone) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  const auto tally = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(tally, nlohmann::json({{"imported", 1}, {"existing", 1}, {"refused", 0}}));
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].username(), "anna");
  EXPECT_EQ(seen[0].password_hash(), "$6$x");
  EXPECT_THAT(seen[0].scopes(), ElementsAre("a", "b"));
  EXPECT_TRUE(seen[0].disabled());
  EXPECT_EQ(seen[1].password_hash(), "");
}

TEST_F(RunTest, ImportStopsWhereTheServerFailsAndSaysWhere) {
  LogIn();
  int calls = 0;
  server_.import_user = [&](const auto&, auto&) {
    return ++calls == 2 ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "STORE_UNAVAILABLE: no") : grpc::Status::OK;
  };
  const std::string line = "{\"username\":\"anna\",\"password_hash\":\"$6$never-shown\"}\n";
  const auto outcome = Run({"user", "import", "-", "--output", "json"}, line + line + line);
  EXPECT_EQ(outcome.exit_code, kExitServer);
  EXPECT_EQ(calls, 2);
  EXPECT_THAT(outcome.err, HasSubstr("line 2"));
  EXPECT_THAT(outcome.out, HasSubstr("\"imported\": 1"));
}

TEST_F(RunTest, ImportNeverRepeatsWhatALineHolds) {
  LogIn();
  server_.import_user = [](const auto&, auto&) { return grpc::Status::OK; };
  for (const char* line :
       {"{\"username\":\"anna\",\"password_hash\":\"$6$never-shown\"", "\"$6$never-shown\"",
        "{\"username\":{\"$6$never-shown\":1},\"password_hash\":\"$6$never-shown\"}",
        "{\"password_hash\":\"$6$never-shown\"}",
        "{\"username\":\"anna\",\"password_hash\":\"$6$never-shown\",\"scopes\":[\"$6$never-shown\",1]}",
        "{\"username\":\"\\ud800\",\"password_hash\":\"$6$never-shown\"}", "[1e999999]",
        "{\"username\":\"anna\",\"password_hash\":\"$6$never-shown\"}x"}) {
    const auto outcome = Run({"user", "import", "-"}, line);
    EXPECT_EQ(outcome.exit_code, kExitLocal) << line;
    ExpectOneMessage(outcome);
    EXPECT_THAT(outcome.err, HasSubstr("line 1: "));
    EXPECT_THAT(outcome.err + outcome.out, Not(HasSubstr("never-shown")));
  }
}

}  // namespace
}  // namespace watchword
