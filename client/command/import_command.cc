#include <fstream>
#include <istream>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/command/admin_call.h"
#include "client/command/commands.h"
#include "watchword/base/reason.h"

namespace watchword {
namespace {

using Admin = v1::AdminService::StubInterface;

// Far more than a line of sense has.
constexpr size_t kMaxLineSize = 64 * 1024;

struct ImportOptions {
  std::string file;
};

// What became of the lines.
struct Tally {
  int64_t imported = 0;
  int64_t existing = 0;
  int64_t refused = 0;
};

absl::Status BadLine(absl::string_view what) { return absl::InvalidArgumentError(what); }

// One member of a line, put where it belongs.
absl::Status Take(const std::string& name, const nlohmann::json& value, v1::ImportUserRequest& request) {
  if (name == "username" || name == "password_hash") {
    if (!value.is_string()) return BadLine(absl::StrCat("\"", name, "\" is not a string"));
    const auto& text = value.get_ref<const std::string&>();
    name == "username" ? request.set_username(text) : request.set_password_hash(text);
  } else if (name == "scopes") {
    if (!value.is_array()) return BadLine("\"scopes\" is not an array");
    for (const auto& scope : value) {
      if (!scope.is_string()) return BadLine("\"scopes\" holds something that is not a string");
      request.add_scopes(scope.get<std::string>());
    }
  } else if (name == "disabled") {
    if (!value.is_boolean()) return BadLine("\"disabled\" is neither true nor false");
    request.set_disabled(value.get<bool>());
  } else {
    return BadLine(
        absl::StrCat("there is no member \"", name, "\"; known are username, password_hash, scopes, disabled"));
  }
  return absl::OkStatus();
}

// Messages never repeat what a line holds but for the names of its members: hashes are nobody's business.
absl::StatusOr<v1::ImportUserRequest> ParseLine(const std::string& line) {
  if (line.size() > kMaxLineSize) return BadLine("it has more than 64 KiB");
  const auto json = nlohmann::json::parse(line, /*cb=*/nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return BadLine("it is not a JSON object");
  v1::ImportUserRequest request;
  for (const auto& [name, value] : json.items()) {
    if (auto status = Take(name, value, request); !status.ok()) return status;
  }
  for (const char* name : {"username", "password_hash"}) {
    if (!json.contains(name)) return BadLine(absl::StrCat("\"", name, "\" is missing"));
  }
  return request;
}

// Counts what is about the line, and says so; an error is about all lines.
absl::Status ImportLine(Context& context, int64_t number, const std::string& line, Tally& tally) {
  const auto request = ParseLine(line);
  absl::Status status = request.status();
  if (status.ok()) status = AdminCall(context, &Admin::ImportUser, *request).status();
  if (status.ok()) {
    ++tally.imported;
  } else if (absl::IsAlreadyExists(status)) {
    ++tally.existing;
  } else if (absl::IsInvalidArgument(status)) {
    ++tally.refused;
    context.Say(absl::StrCat("line ", number, ": ", status.message()));
  } else {
    context.Say(
        absl::StrCat("stopped at line ", number, "; what is above is done, and passed over when you try again"));
    return status;
  }
  return absl::OkStatus();
}

// The next line, of which no more is kept than it takes to see that it is too long.
bool NextLine(std::istream& in, std::string& line) {
  line.clear();
  std::streambuf& buffer = *in.rdbuf();
  int c = buffer.sbumpc();
  if (c == std::char_traits<char>::eof()) return false;
  for (; c != std::char_traits<char>::eof() && c != '\n'; c = buffer.sbumpc()) {
    if (line.size() <= kMaxLineSize) line.push_back(static_cast<char>(c));
  }
  return true;
}

absl::StatusOr<ExitCode> Import(Context& context, const ImportOptions& options) {
  if (const auto session = context.Session(); !session.ok()) return session.status();
  std::ifstream file;
  if (options.file != "-") {
    file.open(options.file);
    if (!file) return absl::InvalidArgumentError(absl::StrCat("cannot read ", options.file));
  }
  std::istream& in = options.file == "-" ? context.environment().in : file;
  Tally tally;
  absl::Status status;
  int64_t number = 0;
  for (std::string line; status.ok() && NextLine(in, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") != std::string::npos) status = ImportLine(context, number, line, tally);
  }
  context.Print({{"imported", tally.imported}, {"existing", tally.existing}, {"refused", tally.refused}});
  if (!status.ok()) return status;
  return tally.refused == 0 ? kExitDone : kExitLocal;
}

}  // namespace

void AddImportCommand(CLI::App& users, Action& chosen) {
  auto options = std::make_shared<ImportOptions>();
  CLI::App* command = users.add_subcommand(
      "import",
      "Add the users of another system with the hashes of their passwords; users that exist stay as they are");
  command
      ->add_option("FILE", options->file,
                   "JSON, one object a line: username, password_hash (\"\": none), scopes, disabled; -: standard input")
      ->required();
  OnParsed(command, chosen, options, Import);
}

}  // namespace watchword
