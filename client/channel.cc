#include "watchword/client/channel.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <filesystem>
#include <system_error>

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "watchword/base/file.h"
#include "watchword/client/service_config.h"

namespace watchword {
namespace {

constexpr absl::string_view kUnixPrefix = "unix:";
constexpr size_t kMaxPemSize = 1 << 20;

bool IsUnixSocket(absl::string_view address) { return absl::StartsWith(address, kUnixPrefix); }

// "::1" of "[::1]:7070".
absl::string_view HostOf(absl::string_view address) {
  absl::string_view host = address.substr(0, address.rfind(':'));
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  return host;
}

// Only literal loopback addresses and "localhost" (RFC 6761 section 6.3): any other name is whatever DNS says.
bool IsThisHost(absl::string_view canonical) {
  if (IsUnixSocket(canonical)) return true;
  const std::string host(HostOf(canonical));
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
  return host == "localhost";
}

bool IsHost(absl::string_view host) {
  if (absl::ConsumePrefix(&host, "[")) {
    in6_addr v6{};
    return absl::ConsumeSuffix(&host, "]") && inet_pton(AF_INET6, std::string(host).c_str(), &v6) == 1;
  }
  if (host.empty()) return false;
  for (const char c : host) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-' && c != '_') return false;
  }
  return true;
}

bool AsksForTls(const ChannelOptions& options) {
  return options.tls || !options.ca_file.empty() || !options.certificate_file.empty() || !options.key_file.empty() ||
         !options.server_name.empty();
}

absl::Status ReadPem(const std::string& path, std::string& pem) {
  if (path.empty()) return absl::OkStatus();
  auto contents = ReadFile(path, kMaxPemSize);
  if (!contents.ok()) return contents.status();
  if (!absl::StrContains(*contents, "-----BEGIN ")) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a PEM file"));
  }
  pem = *std::move(contents);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> TlsCredentials(const ChannelOptions& options) {
  if (options.certificate_file.empty() != options.key_file.empty()) {
    return absl::InvalidArgumentError(
        options.key_file.empty()
            ? absl::StrCat("the TLS certificate ", options.certificate_file, " was given without its key")
            : absl::StrCat("the TLS key ", options.key_file, " was given without its certificate"));
  }
  grpc::SslCredentialsOptions pem;
  for (const absl::Status& status :
       {ReadPem(options.ca_file, pem.pem_root_certs), ReadPem(options.certificate_file, pem.pem_cert_chain),
        ReadPem(options.key_file, pem.pem_private_key)}) {
    if (!status.ok()) return status;
  }
  return grpc::SslCredentials(pem);
}

grpc::ChannelArguments ArgumentsFor(const ChannelOptions& options, bool tls) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // The default is 30 s. When servers are replaced one by one, all that were known may be gone before that.
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 1'000);
  arguments.SetServiceConfigJSON(kServiceConfig);
  // A proxy named in the environment would see what is sent in plaintext, even to "this host".
  if (!tls) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (!options.server_name.empty()) arguments.SetSslTargetNameOverride(options.server_name);
  return arguments;
}

// As gRPC wants it. Said in full, so that a host called "ipv4" or "xds" is not taken for a scheme.
std::string TargetOf(const std::string& canonical) {
  if (IsUnixSocket(canonical)) return canonical;
  return absl::StrCat("dns:///", absl::StrReplaceAll(canonical, {{"[", "%5B"}, {"]", "%5D"}}));
}

}  // namespace

absl::StatusOr<std::string> CanonicalAddress(absl::string_view address) {
  absl::string_view rest = address;
  if (absl::ConsumePrefix(&rest, kUnixPrefix)) {
    std::error_code error;
    const auto path = std::filesystem::absolute(std::string(rest), error).lexically_normal();
    if (!rest.empty() && !error) return absl::StrCat(kUnixPrefix, path.string());
  } else if (const size_t colon = address.rfind(':'); colon != absl::string_view::npos) {
    int port = 0;
    const absl::string_view digits = address.substr(colon + 1);
    if (IsHost(address.substr(0, colon)) && digits.size() <= 5 &&
        digits.find_first_not_of("0123456789") == absl::string_view::npos && absl::SimpleAtoi(digits, &port) &&
        port >= 1 && port <= 65535) {
      return absl::StrCat(absl::AsciiStrToLower(address.substr(0, colon)), ":", port);
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("the address \"", address, "\" is neither HOST:PORT, [IPV6]:PORT nor unix:PATH"));
}

absl::StatusOr<bool> UsesTls(const ChannelOptions& options) {
  const auto address = CanonicalAddress(options.address);
  if (!address.ok()) return address.status();
  if (AsksForTls(options) && options.allow_plaintext) {
    return absl::InvalidArgumentError("TLS and plaintext were both asked for; choose one");
  }
  return AsksForTls(options) || (!IsThisHost(*address) && !options.allow_plaintext);
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const ChannelOptions& options) {
  const auto tls = UsesTls(options);
  if (!tls.ok()) return tls.status();
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (*tls) {
    auto made = TlsCredentials(options);
    if (!made.ok()) return made.status();
    credentials = *std::move(made);
  }
  return grpc::CreateCustomChannel(TargetOf(*CanonicalAddress(options.address)), credentials,
                                   ArgumentsFor(options, *tls));
}

}  // namespace watchword
