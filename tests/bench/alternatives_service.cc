// The same service with a check in each handler, as one would write it without Watchword: see alternatives.py. What it
// asks for each call it asks with as many connections as keep the other side busy, and never on gRPC's own threads.
#include <cppconn/connection.h>
#include <cppconn/driver.h>
#include <cppconn/exception.h>
#include <cppconn/prepared_statement.h>
#include <cppconn/resultset.h>
#include <hiredis/hiredis.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench_service.h"
#include "watchword/base/clock.h"
#include "watchword/base/executor.h"
#include "watchword/token/verifier.h"
#include "watchword/v1/auth.grpc.pb.h"

namespace watchword {
namespace {

constexpr size_t kConnections = 8;

struct Settings {
  std::string check = "none", address, user, password;
};

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "alternatives_service: %s\n", what.c_str());
  std::exit(1);
}

// Asks the auth service about each call.
BearerCheck AskValidate(const std::string& address) {
  struct Call {
    grpc::ClientContext context;
    v1::ValidateRequest request;
    v1::ValidateResponse response;
  };
  const std::shared_ptr<v1::AuthService::Stub> stub =
      v1::AuthService::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  return [stub](const std::string& bearer, std::function<void(bool)> done) {
    const auto call = std::make_shared<Call>();
    call->context.AddMetadata("authorization", "Bearer " + bearer);
    stub->async()->Validate(
        &call->context, &call->request, &call->response,
        [call, done = std::move(done)](const grpc::Status& status) { done(status.ok() && call->response.active()); });
  };
}

// Verifies the signature and the claims of each call's token: no cache, and nobody can log out.
BearerCheck VerifyToken(const KeySet& keys) {
  const auto verifier = std::make_shared<TokenVerifier>(
      TokenVerifier::Create({.issuer = std::string(kTestIssuer), .audiences = {std::string(kTestAudience)}}).value());
  return [verifier, keys](const std::string& bearer, const std::function<void(bool)>& done) {
    done(verifier->Verify(bearer, keys, absl::Now()).ok());
  };
}

// Runs a look-up that blocks on threads of their own.
BearerCheck OnThreads(std::function<bool(const std::string& bearer)> look_up) {
  const auto executor = std::make_shared<Executor>(
      Executor::Options{.name = "look-up", .threads = kConnections, .queue_capacity = 100'000});
  return [executor, look_up](const std::string& bearer, const std::function<void(bool)>& done) {
    const absl::Status queued =
        executor->Submit(absl::InfiniteFuture(),
                         [look_up, bearer, done](const absl::Status& status) { done(status.ok() && look_up(bearer)); });
    if (!queued.ok()) done(false);
  };
}

struct FreeRedis {
  void operator()(redisContext* context) const { redisFree(context); }
};

// Each thread has a connection; the session is the value under its credential.
BearerCheck AskRedis(const std::string& socket) {
  return OnThreads([socket](const std::string& bearer) {
    thread_local const std::unique_ptr<redisContext, FreeRedis> context(redisConnectUnix(socket.c_str()));
    if (context == nullptr || context->err != 0) Fail("no connection to Redis");
    auto* const reply = static_cast<redisReply*>(redisCommand(context.get(), "GET %b", bearer.data(), bearer.size()));
    const bool found = reply != nullptr && reply->type == REDIS_REPLY_STRING;
    if (reply != nullptr) freeReplyObject(reply);
    return found;
  });
}

struct MysqlSession {
  explicit MysqlSession(const Settings& settings)
      : connection(get_driver_instance()->connect(settings.address, settings.user, settings.password)),
        select(connection->prepareStatement("SELECT session FROM credentials WHERE digest = UNHEX(SHA2(?, 256))")) {}
  std::unique_ptr<sql::Connection> connection;
  std::unique_ptr<sql::PreparedStatement> select;
};

// Each thread has a connection and a prepared statement; the session is a row by the digest of its credential.
BearerCheck AskMysql(const Settings& settings) {
  get_driver_instance();
  return OnThreads([settings](const std::string& bearer) {
    try {
      thread_local MysqlSession session(settings);
      session.select->setString(1, bearer);
      const std::unique_ptr<sql::ResultSet> found(session.select->executeQuery());
      return found->next();
    } catch (const sql::SQLException& error) {
      Fail(error.what());
    }
  });
}

BearerCheck MakeCheck(const Settings& settings, const TestSigner& signer) {
  if (settings.check == "validate") return AskValidate(settings.address);
  if (settings.check == "jwt") return VerifyToken(signer.keys());
  if (settings.check == "redis") return AskRedis(settings.address);
  if (settings.check == "mysql") return AskMysql(settings);
  return nullptr;
}

int Run(const Settings& settings) {
  const TestSigner signer(Algorithm::kEs256);
  CallbackBenchService service(MakeCheck(settings, signer));
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("localhost:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  Print({{"address", absl::StrCat("localhost:", port)}, {"bearers", MintTokens(signer)}});
  WaitToBeEnded();
  server->Shutdown();
  std::_Exit(
      0);  // the look-ups' threads hold connections that their libraries would have ended in an order of their own
}

}  // namespace
}  // namespace watchword

int main(int argc, char** argv) {
  watchword::KeepSignals();
  watchword::Settings settings;
  CLI::App app("Answers, after a check in the handler, until SIGTERM.");
  app.add_option("--check", settings.check, "How")
      ->check(CLI::IsMember({"none", "validate", "jwt", "redis", "mysql"}))
      ->capture_default_str();
  app.add_option("--address", settings.address, "Whom to ask: HOST:PORT, Redis's socket, tcp://HOST:PORT/DATABASE");
  app.add_option("--user", settings.user, "Of MySQL");
  app.add_option("--password-file", "Of MySQL")->each([&](const std::string& path) {
    std::ifstream(path) >> settings.password;
  });
  CLI11_PARSE(app, argc, argv);
  return watchword::Run(settings);
}
