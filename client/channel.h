#pragma once

#include <memory>
#include <string>

#include <grpcpp/channel.h>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace watchword {

// How to reach a Watchword server, and what protects the way there.
struct ChannelOptions {
  std::string address;           // HOST:PORT, [IPV6]:PORT or unix:PATH
  bool tls = false;              // TLS even where plaintext would do; any of the next four asks for TLS, too
  std::string ca_file;           // PEM: who may sign the server's certificate; empty: the system's authorities
  std::string certificate_file;  // PEM: our own certificate chain, for servers that ask for one
  std::string key_file;          // PEM: its private key
  std::string server_name;       // the name in the server's certificate, if it is not the host's
  bool allow_plaintext = false;  // no TLS to a host that is not this one: a mesh or proxy protects the way
};

// The one spelling of an address under which it can be remembered: host in lower case, socket path absolute.
// INVALID_ARGUMENT if it is neither HOST:PORT, [IPV6]:PORT nor unix:PATH.
absl::StatusOr<std::string> CanonicalAddress(absl::string_view address);

// Whether a channel uses TLS. Unix sockets and loopback addresses do if it is asked for; every other address does
// unless `allow_plaintext` is set. INVALID_ARGUMENT for an address that is none, and for TLS together with
// `allow_plaintext`.
absl::StatusOr<bool> UsesTls(const ChannelOptions& options);

// A channel on which credentials may travel, by the rule of UsesTls. Connects when it is first used. Calls are
// spread over all addresses of the name, and tried again, as service_config.json says. The errors of UsesTls;
// INVALID_ARGUMENT for a certificate without key or the reverse; the codes of ReadFile for the PEM files.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const ChannelOptions& options);

}  // namespace watchword
