#include "server/config/settings.h"

#include <algorithm>
#include <set>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "server/config/settings_file.h"
#include "version/version.h"
#include "watchword/base/file.h"

namespace watchword {
namespace {

constexpr absl::string_view kPrefix = "WATCHWORD_";
constexpr size_t kMaxFileSize = 1 << 20;

// Variables that the `watchword` command, its tests and the demonstration use: not for the server, and no mistake.
const std::set<std::string>& VariablesOfOthers() {
  static const auto& names = *new std::set<std::string>{
      "WATCHWORD_ADDRESS",         "WATCHWORD_USER",    "WATCHWORD_TLS",      "WATCHWORD_TLS_CA",
      "WATCHWORD_TLS_SERVER_NAME", "WATCHWORD_VECTORS", "WATCHWORD_PORT_BASE"};
  return names;
}

// Kubernetes sets variables like WATCHWORD_SERVICE_HOST and WATCHWORD_PORT_7070_TCP_ADDR in every pod beside a Service
// called "watchword…".
bool IsFromKubernetes(absl::string_view name) {
  if (absl::EndsWith(name, "_SERVICE_HOST") || absl::StrContains(name, "_SERVICE_PORT")) return true;
  if (absl::EndsWith(name, "_PORT")) return true;
  const size_t port = name.find("_PORT_");
  return port != absl::string_view::npos && port + 6 < name.size() &&
         absl::ascii_isdigit(static_cast<unsigned char>(name[port + 6]));
}

std::string VariableOf(absl::string_view setting) {
  return absl::StrCat(kPrefix, absl::AsciiStrToUpper(absl::StrReplaceAll(setting, {{"-", "_"}})));
}

absl::Status UnknownVariables(const Variables& environment) {
  std::set<std::string> known = VariablesOfOthers();
  known.insert(VariableOf("config"));
  for (const Setting& setting : AllSettings()) known.insert(VariableOf(setting.name));
  for (const auto& [name, value] : environment) {
    if (!absl::StartsWith(name, kPrefix) || known.count(name) != 0 || IsFromKubernetes(name)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("unknown environment variable ", name, ": unset it, or see watchwordd --help for the names"));
  }
  return absl::OkStatus();
}

// What is set there, by name of setting; an empty variable counts as not set.
SettingValues FromEnvironment(const Variables& environment) {
  SettingValues values;
  for (const Setting& setting : AllSettings()) {
    const auto variable = environment.find(VariableOf(setting.name));
    if (variable == environment.end() || variable->second.empty()) continue;
    SettingValue& value = values[setting.name];
    value.source = variable->first;
    value.texts = {variable->second};
    if (setting.kind == Setting::Kind::kList) value.texts = absl::StrSplit(variable->second, ',');
  }
  return values;
}

absl::StatusOr<SettingValues> FromFile(const std::string& path) {
  const auto text = ReadFile(path, kMaxFileSize);
  if (!text.ok()) return absl::InvalidArgumentError(absl::StrCat("--config: ", text.status().message()));
  auto parsed = ParseSettingsFile(*text);
  if (!parsed.ok()) return absl::InvalidArgumentError(absl::StrCat(path, ", ", parsed.status().message()));
  SettingValues values;
  for (const Setting& setting : AllSettings()) {
    auto found = parsed->extract(setting.name);
    if (found.empty()) continue;
    if (setting.kind != Setting::Kind::kList && found.mapped().size() != 1) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": ", setting.name, " takes one value"));
    }
    values[setting.name] = {std::move(found.mapped()), path};
  }
  if (!parsed->empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": unknown setting \"", parsed->begin()->first,
                                                   "\": remove it, or see watchwordd --help for the names"));
  }
  return values;
}

std::string HelpOf(const Setting& setting) {
  if (setting.fallback.empty()) return setting.help;
  return absl::StrCat(setting.help, " (", absl::StrJoin(setting.fallback, ", "), ")");
}

// The command line as CLI11 sees it.
struct CommandLine {
  CLI::App app{"Watchword's server: logs users in and tells every service who is calling.", "watchwordd"};
  std::string config_file;
  bool print_config = false;
  std::map<std::string, CLI::Option*> options;
};

void Declare(CommandLine& line) {
  CLI::App& app = line.app;
  app.set_help_flag("-h,--help", "Print this and exit");
  app.set_version_flag("--version", absl::StrCat("watchwordd ", kVersion), "Print the version and exit");
  app.add_flag("--print-config", line.print_config, "Check the settings, print them in the form of the file, and exit");
  app.add_option("--config", line.config_file, "Read settings from this file: lines of name = \"value\" (TOML)")
      ->type_name("FILE");
  for (const Setting& setting : AllSettings()) {
    const std::string flag = absl::StrCat("--", setting.name);
    const std::string help = HelpOf(setting);
    CLI::Option*& option = line.options[setting.name];
    if (setting.kind == Setting::Kind::kSwitch) {
      option = app.add_flag(flag, help);
    } else {
      option = app.add_option(flag, help)->type_name(setting.value_name)->expected(1);
    }
    if (setting.kind == Setting::Kind::kList) option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }
  app.add_subcommand("migrate", "Bring the schema of a MySQL store up to date, with these settings, and exit")
      ->fallthrough();
  app.footer(
      "Every setting can also be given as an environment variable (--data-dir: WATCHWORD_DATA_DIR; lists separated by\n"
      "commas) or in the file (data-dir = \"…\"). The command line wins over the environment, that over the file.");
}

absl::Status Parse(const std::vector<std::string>& arguments, CommandLine& line, std::optional<std::string>& print) {
  try {
    line.app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));  // CLI11 takes them reversed
  } catch (const CLI::CallForHelp&) {
    print = line.app.help();
  } catch (const CLI::CallForVersion& version) {
    print = absl::StrCat(version.what(), "\n");
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(absl::StrCat(absl::StrReplaceAll(error.what(), {{"\n", " "}}), " (see --help)"));
  }
  return absl::OkStatus();
}

absl::Status CheckText(const std::string& name, const SettingValue& value) {
  for (const std::string& text : value.texts) {
    if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return absl::ascii_iscntrl(c); })) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", name, " (from ", value.source, "): control characters are not allowed"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<GatheredSettings> GatherSettings(const std::vector<std::string>& arguments,
                                                const Variables& environment) {
  GatheredSettings gathered;
  CommandLine line;
  Declare(line);
  if (auto status = Parse(arguments, line, gathered.print); !status.ok()) return status;
  if (gathered.print.has_value()) return gathered;
  gathered.print_config = line.print_config;
  gathered.migrate = line.app.got_subcommand("migrate");

  if (auto status = UnknownVariables(environment); !status.ok()) return status;
  SettingValues in_environment = FromEnvironment(environment);
  if (const auto named = environment.find(VariableOf("config"));
      line.config_file.empty() && named != environment.end()) {
    line.config_file = named->second;
  }
  SettingValues in_file;
  if (!line.config_file.empty()) {
    auto from_file = FromFile(line.config_file);
    if (!from_file.ok()) return from_file.status();
    in_file = *std::move(from_file);
  }
  for (const Setting& setting : AllSettings()) {
    SettingValue& value = gathered.values[setting.name];
    if (line.options[setting.name]->count() > 0) {
      value = {line.options[setting.name]->results(), absl::StrCat("--", setting.name)};
    } else if (const auto variable = in_environment.find(setting.name); variable != in_environment.end()) {
      value = variable->second;
    } else if (const auto entry = in_file.find(setting.name); entry != in_file.end()) {
      value = entry->second;
    } else {
      value = {setting.fallback, "default"};
    }
    if (auto status = CheckText(setting.name, value); !status.ok()) return status;
  }
  return gathered;
}

std::string FormatSettings(const SettingValues& values) {
  std::string text;
  for (const Setting& setting : AllSettings()) {
    const SettingValue& value = values.at(setting.name);
    if (value.texts.empty()) continue;
    std::string shown;
    switch (setting.kind) {
      case Setting::Kind::kText:
        shown = QuoteSetting(value.texts.front());
        break;
      case Setting::Kind::kSwitch:
      case Setting::Kind::kNumber:
        shown = value.texts.front();
        break;
      case Setting::Kind::kList:
        shown = absl::StrCat(
            "[",
            absl::StrJoin(value.texts, ", ",
                          [](std::string* out, const std::string& one) { out->append(QuoteSetting(one)); }),
            "]");
        break;
    }
    absl::StrAppend(&text, setting.name, " = ", shown, "  # ", value.source, "\n");
  }
  return text;
}

}  // namespace watchword
