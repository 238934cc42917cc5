#include "server/config/mysql_url.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/config/values.h"

namespace watchword {
namespace {

constexpr size_t kMaxHosts = 16;
constexpr size_t kMaxName = 64;         // of users and databases, in MySQL
constexpr size_t kMaxSocketPath = 107;  // sockaddr_un, less the NUL

absl::Status Wrong() {
  return absl::InvalidArgumentError(
      "must be sqlite:PATH, or mysql://USER@HOST[:PORT][,HOST2[:PORT2]…]/DATABASE, or "
      "mysql://USER@localhost/DATABASE?socket=PATH");
}

// What needs no quoting anywhere.
bool IsName(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxName && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '.';
  });
}

absl::StatusOr<MysqlOptions::Host> ParseHost(absl::string_view text) {
  MysqlOptions::Host host;
  const absl::string_view last = text.substr(text.rfind(']') == absl::string_view::npos ? 0 : text.rfind(']'));
  const std::string with_port = absl::StrContains(last, ":") ? std::string(text) : absl::StrCat(text, ":", host.port);
  const absl::StatusOr<HostPort> parsed = ParseHostPort(with_port);
  if (!parsed.ok() || parsed->port == 0) return Wrong();
  host.name = parsed->host;
  host.port = parsed->port;
  return host;
}

}  // namespace

absl::StatusOr<MysqlOptions> ParseMysqlUrl(absl::string_view url) {
  MysqlOptions options;
  if (!absl::ConsumePrefix(&url, "mysql://")) return Wrong();
  const size_t at = url.rfind('@');
  if (at == absl::string_view::npos) return Wrong();
  const absl::string_view user = url.substr(0, at);
  if (absl::StrContains(user, ":")) {
    return absl::InvalidArgumentError(
        "must not hold a password: whoever lists processes would see it; put it into a file "
        "and set --store-password-file");
  }
  const std::vector<absl::string_view> parts = absl::StrSplit(url.substr(at + 1), absl::MaxSplits('/', 1));
  if (!IsName(user) || parts.size() != 2) return Wrong();
  options.user = std::string(user);
  const std::vector<absl::string_view> place = absl::StrSplit(parts[1], absl::MaxSplits('?', 1));
  if (!IsName(place[0])) return Wrong();
  options.database = std::string(place[0]);
  if (place.size() == 2) {
    absl::string_view socket = place[1];
    if (!absl::ConsumePrefix(&socket, "socket=") || !absl::StartsWith(socket, "/") || socket.size() > kMaxSocketPath ||
        parts[0] != "localhost") {
      return Wrong();
    }
    options.socket = std::string(socket);
    return options;
  }
  for (const absl::string_view text : absl::StrSplit(parts[0], ',')) {
    absl::StatusOr<MysqlOptions::Host> host = ParseHost(text);
    if (!host.ok()) return host.status();
    options.hosts.push_back(*std::move(host));
  }
  if (options.hosts.size() > kMaxHosts) return Wrong();
  return options;
}

}  // namespace watchword
