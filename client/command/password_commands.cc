#include <algorithm>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/command/commands.h"
#include "server/crypto/password_calibration.h"
#include "watchword/base/random.h"
#include "watchword/base/reason.h"

namespace watchword {
namespace {

struct PasswordOptions {
  bool from_stream = false;
};

struct CalibrateOptions {
  std::string time = "100ms";
  uint32_t memory_mib = 64;
  size_t at_once = std::clamp<size_t>(std::thread::hardware_concurrency(), 1, 256);
};

// The login as it was, but with the new password.
v1::LoginRequest LoginAgain(const StoredLogin& before, const v1::ValidateResponse& credential, const Secret& password) {
  v1::LoginRequest request;
  request.set_username(before.username);
  request.set_password(std::string(password.Reveal()));
  request.set_kind(credential.kind());
  *request.mutable_audiences() = credential.audiences();
  *request.mutable_scopes() = credential.scopes();
  return request;
}

absl::StatusOr<v1::ValidateResponse> Judge(SessionClient& client, const std::string& bearer) {
  auto credential = client.Validate(bearer);
  if (credential.ok() && !credential->active()) {
    return ErrorWithReason(absl::StatusCode::kUnauthenticated, credential->reason(), "the stored login is not active");
  }
  return credential;
}

absl::Status Change(SessionClient& client, const std::string& bearer, const PasswordChange& change) {
  v1::ChangePasswordRequest request;
  request.set_current_password(std::string(change.current.Reveal()));
  request.set_new_password(std::string(change.wanted.Reveal()));
  const auto response = client.ChangePassword(bearer, request);
  Secret::Wipe(*request.mutable_current_password());
  Secret::Wipe(*request.mutable_new_password());
  return response.status();
}

absl::StatusOr<ExitCode> ChangePassword(Context& context, const PasswordOptions& options) {
  const auto session = context.Session();
  if (!session.ok()) return session.status();
  const auto login = (*session)->Fresh(Context::kMargin);
  if (!login.ok()) return login.status();
  const auto client = context.Client();
  if (!client.ok()) return client.status();
  const auto credential = Judge(**client, login->credential);
  if (!credential.ok()) return credential.status();
  const auto& environment = context.environment();
  const auto change = GetPasswordChange(options.from_stream, login->username, environment.in, environment.prompt);
  if (!change.ok()) return change.status();
  if (auto status = Change(**client, login->credential, *change); !status.ok()) return status;
  context.Say(absl::StrCat("password of ", login->username, " changed; all other sessions of the user are ended"));
  v1::LoginRequest again = LoginAgain(*login, *credential, change->wanted);  // this one was ended as well
  const auto renewed = (*session)->Login(again);
  Secret::Wipe(*again.mutable_password());
  if (!renewed.ok()) return renewed.status();
  return kExitDone;
}

absl::StatusOr<ExitCode> Calibrate(Context& context, const CalibrateOptions& options) {
  absl::Duration wanted;
  if (!absl::ParseDuration(options.time, &wanted) || wanted < absl::Milliseconds(1) || wanted > absl::Seconds(10)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--time \"", options.time, "\" is not a time from 1ms to 10s, such as 100ms"));
  }
  const auto measure = [&](const PasswordHasher::Cost& cost) {
    return MeasureHashes(cost, options.at_once, SystemRandom());
  };
  const auto cost = ChooseHashCost(wanted, options.memory_mib * 1024, measure);
  if (!cost.ok()) return cost.status();
  const auto took = measure(*cost);
  if (!took.ok()) return took.status();
  const double seconds = absl::ToDoubleSeconds(*took);
  const uint32_t memory_mib = cost->memory_kib / 1024;
  context.Print({{"hash_memory", absl::StrCat(memory_mib, "MiB")},
                 {"hash_passes", cost->passes},
                 {"hash_threads", options.at_once},
                 {"hash_budget", absl::StrCat(memory_mib * options.at_once, "MiB")},
                 {"seconds", seconds},
                 {"logins_per_second", static_cast<double>(options.at_once) / seconds}});
  if (*took > wanted) {
    context.Say(absl::StrCat("this is the least that is safe; it takes longer than ", options.time,
                             " on this machine, or the machine is busy"));
  }
  return kExitDone;
}

}  // namespace

void AddPasswordCommands(CLI::App& app, Action& chosen) {
  auto change = std::make_shared<PasswordOptions>();
  CLI::App* command = app.add_subcommand("password", "Change the own password, and end all other sessions");
  command->add_flag("--passwords-stdin", change->from_stream,
                    "Read two lines from standard input, the current password and the new one, not the terminal");
  OnParsed(command, chosen, change, ChangePassword);

  auto calibrate = std::make_shared<CalibrateOptions>();
  command =
      app.add_subcommand("calibrate-hash",
                         "Find the settings of watchwordd with which hashing a password takes a given time; run it "
                         "on the machine of the server, while that is quiet");
  command->add_option("--time", calibrate->time, "How long one hash may take, 1ms to 10s; default: 100ms")
      ->option_text("TIME");
  command
      ->add_option("--memory", calibrate->memory_mib, "The most memory for one hash, in MiB, 19 to 1024; default: 64")
      ->check(CLI::Range(19, 1024))
      ->option_text("MIB");
  command->add_option("--threads", calibrate->at_once, "How many are hashed at once; default: one for each processor")
      ->check(CLI::Range(1, 256))
      ->option_text("N");
  OnParsed(command, chosen, calibrate, Calibrate);
}

}  // namespace watchword
