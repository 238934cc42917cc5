#include "server/config/values.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace watchword {
namespace {

constexpr int64_t kLeastMemoryKib = 8 << 10;
constexpr size_t kMaxIssuerSize = 255;

absl::Status Wrong(absl::string_view what) { return absl::InvalidArgumentError(what); }

// absl::SimpleAtoi also takes signs and white space.
bool ParseDigits(absl::string_view text, int64_t& number) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return absl::ascii_isdigit(c); }) &&
         absl::SimpleAtoi(text, &number);
}

}  // namespace

absl::StatusOr<absl::Duration> ParseDurationSetting(absl::string_view text, absl::Duration least, absl::Duration most) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) || duration < least || duration > most) {
    return Wrong(absl::StrCat("must be a time from ",
                              least == absl::ZeroDuration() ? "0s" : absl::FormatDuration(least), " to ",
                              absl::FormatDuration(most), ", such as 90s, 5m or 12h"));
  }
  return duration;
}

absl::StatusOr<int64_t> ParseNumberSetting(absl::string_view text, int64_t least, int64_t most) {
  int64_t number = 0;
  if (!ParseDigits(text, number) || number < least || number > most) {
    return Wrong(absl::StrCat("must be a whole number from ", least, " to ", most));
  }
  return number;
}

absl::StatusOr<bool> ParseSwitchSetting(absl::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return Wrong("must be true or false");
}

absl::StatusOr<uint32_t> ParseMemorySetting(absl::string_view text, uint32_t most_gib) {
  int64_t unit = 1;
  if (absl::ConsumeSuffix(&text, "MiB")) {
    unit = 1 << 10;
  } else if (absl::ConsumeSuffix(&text, "GiB")) {
    unit = 1 << 20;
  } else {
    absl::ConsumeSuffix(&text, "KiB");
  }
  int64_t number = 0;
  const bool fits =
      ParseDigits(text, number) && number <= (int64_t{most_gib} << 20) / unit && number * unit >= kLeastMemoryKib;
  if (!fits) {
    return Wrong(absl::StrCat("must be a size from 8MiB to ", most_gib, "GiB, such as 19MiB, or a number of KiB"));
  }
  return static_cast<uint32_t>(number * unit);
}

absl::StatusOr<HostPort> ParseHostPort(absl::string_view text) {
  const absl::Status wrong =
      Wrong("must be HOST:PORT with a port from 0 to 65535, such as 127.0.0.1:7070 or [::1]:7070");
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return wrong;
  absl::string_view host = text.substr(0, colon);
  const bool bracketed = absl::ConsumePrefix(&host, "[");
  if (bracketed != absl::ConsumeSuffix(&host, "]")) return wrong;
  const bool has_colon = absl::StrContains(host, ":");
  const bool is_visible = std::all_of(host.begin(), host.end(), [](unsigned char c) { return absl::ascii_isgraph(c); });
  int64_t port = 0;
  if (host.empty() || bracketed != has_colon || !is_visible || absl::StrContains(host, "/") ||
      !ParseDigits(text.substr(colon + 1), port) || port > 65'535) {
    return wrong;
  }
  return HostPort{std::string(host), static_cast<int>(port)};
}

bool IsLoopback(absl::string_view host) {
  const std::string text(host);
  in_addr ipv4{};
  if (inet_pton(AF_INET, text.c_str(), &ipv4) == 1) return (ntohl(ipv4.s_addr) >> 24) == 127;
  in6_addr ipv6{};
  if (inet_pton(AF_INET6, text.c_str(), &ipv6) == 1) return IN6_IS_ADDR_LOOPBACK(&ipv6);
  return absl::EqualsIgnoreCase(host, "localhost");
}

absl::Status CheckIssuer(absl::string_view text) {
  absl::string_view rest = text;
  const bool has_scheme = absl::ConsumePrefix(&rest, "https://") || absl::ConsumePrefix(&rest, "http://");
  const bool is_visible = std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return absl::ascii_isgraph(c) && c != '"' && c != '<' && c != '>' && c != '\\';
  });
  const absl::string_view authority = rest.substr(0, rest.find('/'));
  const bool has_host = !authority.empty() && authority.front() != ':';
  if (!has_scheme || !is_visible || !has_host || text.size() > kMaxIssuerSize ||
      rest.find_first_of("?#@") != absl::string_view::npos) {
    return Wrong(
        "must be an http:// or https:// URL of at most 255 characters without user, query or fragment, such as "
        "https://watchword.example.com");
  }
  return absl::OkStatus();
}

}  // namespace watchword
