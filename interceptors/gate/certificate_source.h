#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "watchword/base/clock.h"
#include "watchword/base/log.h"
#include "watchword/base/mutex.h"
#include "watchword/gate/port_security.h"
#include "watchword/gate/tls_files.h"

namespace watchword {

// The TLS files of a port, read again when they change. What is there is used only if it is complete and belongs
// together; until then what was there before stays, with an error in the log and a count, since whoever replaces a
// certificate and its key cannot do so at one blow.
//
// Looks at the files when a client connects, at most once a second, so it needs no thread.
//
// Thread-safe.
class CertificateSource {
 public:
  static constexpr absl::Duration kPause = absl::Seconds(1);  // between two looks at the files

  // Borrows both, which must outlive this. `on_replaced` may be null: see Gate::Options::on_certificate_replaced.
  using OnReplaced = std::function<void(const std::string& file, const std::string& sha256)>;
  CertificateSource(PortSecurity security, Logger& log, const Clock& clock, OnReplaced on_replaced = nullptr)
      : security_(std::move(security)), log_(log), clock_(clock), on_replaced_(std::move(on_replaced)) {}

  // The first look: FAILED_PRECONDITION, naming the file, if they cannot be used.
  absl::Status Load();

  // What to use now, which is another object each time it has changed. Null before Load has succeeded.
  std::shared_ptr<const TlsMaterial> Current();

  // How often the files had changed and could not be used.
  uint64_t failures() const;

 private:
  absl::Status Look() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const PortSecurity security_;
  Logger& log_;
  const Clock& clock_;
  const OnReplaced on_replaced_;
  mutable Mutex mutex_;
  std::shared_ptr<const TlsMaterial> material_ ABSL_GUARDED_BY(mutex_);
  absl::Duration looked_at_ ABSL_GUARDED_BY(mutex_);
  std::string last_error_ ABSL_GUARDED_BY(mutex_);  // empty: the last look found nothing wrong
  uint64_t failures_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace watchword
