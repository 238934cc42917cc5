#include "client/command/run.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "client/command/commands.h"
#include "version/version.h"

namespace watchword {
namespace {

std::string ParseTimeout(const std::string& text, absl::Duration& timeout) {
  if (absl::ParseDuration(text, &timeout) && timeout > absl::ZeroDuration() && timeout <= absl::Hours(1)) return "";
  return absl::StrCat("\"", text, "\" is not a time such as 500ms, 10s or 1m");
}

std::string ParseFormat(const std::string& text, OutputFormat& format) {
  format = text == "json" ? OutputFormat::kJson : OutputFormat::kText;
  return text == "json" || text == "text" ? "" : absl::StrCat("\"", text, "\" is neither text nor json");
}

void AddTlsOptions(CLI::App& app, ChannelOptions& channel) {
  app.add_flag("--tls", channel.tls, "Use TLS to a loopback address or Unix socket, too")
      ->envname("WATCHWORD_TLS")
      ->group("TLS");
  app.add_option("--tls-ca", channel.ca_file, "PEM file: who signs the server's certificate; default: the system's")
      ->type_name("FILE")
      ->envname("WATCHWORD_TLS_CA")
      ->group("TLS");
  app.add_option("--tls-cert", channel.certificate_file, "PEM file: our own certificate, where the server wants one")
      ->type_name("FILE")
      ->envname("WATCHWORD_TLS_CERT")
      ->group("TLS");
  app.add_option("--tls-key", channel.key_file, "PEM file: its private key")
      ->type_name("FILE")
      ->envname("WATCHWORD_TLS_KEY")
      ->group("TLS");
  app.add_option("--tls-server-name", channel.server_name, "The name in the server's certificate, if not the host's")
      ->envname("WATCHWORD_TLS_SERVER_NAME")
      ->group("TLS");
  app.add_flag("--allow-plaintext", channel.allow_plaintext,
               "No TLS to another host: something else protects the way there")
      ->group("TLS");
}

// An option whose value `parse` puts into `target`, or says what is wrong with it.
template <typename Value>
CLI::Option* AddParsed(CLI::App& app, const std::string& name, Value& target,
                       std::string (*parse)(const std::string&, Value&), const std::string& description) {
  const auto take = [name, &target, parse](const std::string& text) {
    // CLI11's way of saying so; caught where it is called.
    if (const std::string error = parse(text, target); !error.empty()) throw CLI::ValidationError(name, error);
  };
  return app.add_option_function<std::string>(name, take, description);
}

void AddGlobalOptions(CLI::App& app, GlobalOptions& options) {
  app.add_option("--address", options.channel.address, "The server: HOST:PORT or unix:PATH")
      ->envname("WATCHWORD_ADDRESS")
      ->capture_default_str();
  app.add_option("--user", options.user, "Which stored login to use; default: the last one at the address")
      ->envname("WATCHWORD_USER");
  AddParsed(app, "--output", options.format, ParseFormat, "text or json; default: text")->option_text("text|json");
  AddParsed(app, "--timeout", options.timeout, ParseTimeout, "How long to wait for each answer; default: 10s")
      ->option_text("TIME");
  AddTlsOptions(app, options.channel);
}

// "watchword user add", as far as it was understood.
std::string NameOf(const CLI::App& app) {
  const auto parsed = app.get_subcommands();
  return parsed.empty() ? app.get_name() : absl::StrCat(app.get_name(), " ", NameOf(*parsed.front()));
}

// Nothing that is not UTF-8 can be sent, and gRPC reports it as a failure of the server.
bool AreUtf8(const std::vector<std::string>& arguments) {
  return std::all_of(arguments.begin(), arguments.end(), [](const std::string& text) { return IsUtf8(text); });
}

// OK if there is something to run; else with the exit code.
std::optional<ExitCode> Parse(CLI::App& app, std::vector<std::string> arguments, Context& context) {
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
  try {
    app.parse(std::move(arguments));
    return std::nullopt;
  } catch (const CLI::Success& wanted) {  // --help, --version
    app.exit(wanted, context.environment().out, context.environment().err);
    return kExitDone;
  } catch (const CLI::Error& error) {
    context.Say(absl::StrCat(error.what(), "; see ", NameOf(app), " --help"));
    return kExitLocal;
  }
}

ExitCode Run(const Action& action, Context& context) {
  const auto exit_code = action(context);
  if (!exit_code.ok()) {
    const auto& options = context.options();
    context.Say(DescribeFailure(exit_code.status(), options.channel.address, options.timeout));
    return ExitCodeOf(exit_code.status());
  }
  if (!context.environment().out.flush()) {
    context.Say("cannot write to standard output");
    return kExitLocal;
  }
  return *exit_code;
}

}  // namespace

int RunCommand(const std::vector<std::string>& arguments, const Environment& environment) {
  Context context(environment);
  if (!AreUtf8(arguments)) {
    context.Say("an argument is not valid UTF-8");
    return kExitLocal;
  }
  Action chosen;
  CLI::App app("Log in to Watchword, use the login, and administer the server", "watchword");
  app.require_subcommand(1);
  app.fallthrough();  // so that global options may also stand behind a subcommand
  app.set_version_flag("--version", absl::StrCat("watchword ", kVersion));
  AddGlobalOptions(app, context.options());
  for (const auto add : {AddLoginCommands, AddPasswordCommands, AddIdentityCommands, AddUserCommands,
                         AddServiceCommands, AddSessionCommands, AddCheckCommands, AddShellCommands}) {
    add(app, chosen);
  }
  app.footer("Exit codes: 0 done, 1 wrong usage or a local problem, 2 server or network, 3 refused, 4 not logged in.");
  if (const auto ended = Parse(app, arguments, context); ended.has_value()) return *ended;
  return Run(chosen, context);
}

}  // namespace watchword
