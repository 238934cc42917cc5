#pragma once

#include <istream>
#include <memory>
#include <optional>
#include <ostream>
#include <string>

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/command/output.h"
#include "client/command/password.h"
#include "watchword/base/clock.h"
#include "watchword/client/call.h"
#include "watchword/client/channel.h"
#include "watchword/client/credential_file.h"
#include "watchword/client/session_client.h"
#include "watchword/client/stored_session.h"

namespace watchword {

// What the command touches of the world.
struct Environment {
  std::istream& in;
  std::ostream& out;  // data
  std::ostream& err;  // messages
  PasswordPrompt& prompt;
  const Clock& clock;
};

// The options that every subcommand takes.
struct GlobalOptions {
  ChannelOptions channel{.address = "127.0.0.1:7070"};
  std::string user;
  OutputFormat format = OutputFormat::kText;
  absl::Duration timeout = absl::Seconds(10);
};

// What subcommands work with: the options, the streams, and the way to the server, made when it is first needed.
// Thread-compatible.
class Context {
 public:
  // How long a credential must still work to be used rather than renewed first.
  static constexpr absl::Duration kMargin = absl::Seconds(30);

  explicit Context(const Environment& environment) : environment_(environment) {}

  GlobalOptions& options() { return options_; }
  const Environment& environment() const { return environment_; }

  // Writes a result to standard output, in the wanted format.
  void Print(const nlohmann::ordered_json& result) { PrintResult(result, options_.format, environment_.out); }
  // Writes a message to standard error.
  void Say(absl::string_view message) { environment_.err << "watchword: " << Printable(message) << '\n'; }

  absl::StatusOr<std::shared_ptr<grpc::Channel>> Channel();
  // The calls of AuthService; owned by this object, as everything that is returned as a pointer.
  absl::StatusOr<SessionClient*> Client();
  // The stored login of `username`, which may not exist yet.
  absl::StatusOr<StoredSession*> SessionOf(const std::string& username);
  // The stored login of --user, or of the address's default user. NOT_FOUND (NOT_LOGGED_IN) if there is none.
  absl::StatusOr<StoredSession*> Session();
  // The options of a call that presents the stored login's credential, renewed if need be.
  absl::StatusOr<CallOptions> Authenticated();

 private:
  absl::StatusOr<CredentialFolder*> Folder();

  const Environment environment_;
  GlobalOptions options_;
  std::shared_ptr<grpc::Channel> channel_;
  std::optional<CredentialFolder> folder_;
  std::unique_ptr<SessionClient> client_;
  std::unique_ptr<StoredSession> session_;
  std::string credential_;
};

}  // namespace watchword
