#include "watchword/gate/certificate_source.h"

#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "watchword/gate/certificate_binding.h"

namespace watchword {
namespace {

bool IsSame(const TlsMaterial& a, const TlsMaterial& b) {
  return a.certificate_chain == b.certificate_chain && a.client_ca == b.client_ca &&
         EqualInConstantTime(a.private_key.Reveal(), b.private_key.Reveal());
}

}  // namespace

absl::Status CertificateSource::Load() {
  MutexLock lock(mutex_);
  return Look();
}

std::shared_ptr<const TlsMaterial> CertificateSource::Current() {
  std::string error;
  bool changed = false;
  std::shared_ptr<const TlsMaterial> material;
  {
    MutexLock lock(mutex_);
    if (material_ != nullptr && clock_.SinceBoot() - looked_at_ >= kPause) {
      const auto before = material_;
      const absl::Status status = Look();
      changed = material_ != before;
      if (!status.ok()) ++failures_;
      if (status.message() != last_error_) error = std::string(status.message());
      last_error_ = std::string(status.message());
    }
    material = material_;
  }
  if (changed) {
    const std::string sha256 = absl::BytesToHexString(CertificateSha256(material->certificate_chain));
    log_.Info("the TLS certificate has been replaced", {{"file", security_.certificate_file}, {"sha256", sha256}});
    if (on_replaced_) on_replaced_(security_.certificate_file, sha256);
  }
  if (!error.empty()) {
    log_.Error("the TLS files have changed and cannot be used; those from before are used on", {{"error", error}});
  }
  return material;
}

uint64_t CertificateSource::failures() const {
  MutexLock lock(mutex_);
  return failures_;
}

absl::Status CertificateSource::Look() {
  looked_at_ = clock_.SinceBoot();
  auto read = ReadTlsFiles(security_.certificate_file, security_.key_file, security_.client_ca_file);
  if (!read.ok()) return read.status();
  if (material_ == nullptr || !IsSame(*material_, *read)) {
    material_ = std::make_shared<const TlsMaterial>(*std::move(read));
  }
  return absl::OkStatus();
}

}  // namespace watchword
