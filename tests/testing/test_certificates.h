#pragma once

#include <string>

namespace watchword {

// A certificate authority, a server certificate for localhost, 127.0.0.1 and ::1, and a client certificate, new for
// each object, as PEM files in a temporary folder that goes with it.
class TestCertificates {
 public:
  TestCertificates();
  ~TestCertificates();
  TestCertificates(const TestCertificates&) = delete;
  TestCertificates& operator=(const TestCertificates&) = delete;

  std::string ca_file() const { return folder_ + "/ca.pem"; }
  std::string server_certificate_file() const { return folder_ + "/server.pem"; }
  std::string server_key_file() const { return folder_ + "/server.key"; }
  std::string client_certificate_file() const { return folder_ + "/client.pem"; }
  std::string client_key_file() const { return folder_ + "/client.key"; }

 private:
  std::string folder_;
};

// The contents of a file that must be there.
std::string ReadTestFile(const std::string& path);

}  // namespace watchword
