#pragma once

#include <string>
#include <utility>

namespace watchword {

// How a guarded port is reached and what protects it on the way. A value type.
struct PortSecurity {
  enum class Kind { kPlaintext, kTls, kUnixSocket };

  // No protection: for loopback, or where a mesh or proxy protects the port.
  static PortSecurity Plaintext() { return {}; }

  // A Unix socket ("unix:/path"), protected by the file system.
  static PortSecurity UnixSocket() { return {.kind = Kind::kUnixSocket}; }

  // TLS 1.2 or later with the certificate chain and private key in these PEM files, which are read again when they
  // change; if they then cannot be used, those from before are. With `client_ca_file`, clients must present a
  // certificate that it has signed.
  static PortSecurity Tls(std::string certificate_file, std::string key_file, std::string client_ca_file = "") {
    return {Kind::kTls, std::move(certificate_file), std::move(key_file), std::move(client_ca_file)};
  }

  Kind kind = Kind::kPlaintext;
  std::string certificate_file;
  std::string key_file;
  std::string client_ca_file;
};

}  // namespace watchword
