#include "server/service/password_check.h"

#include <memory>
#include <optional>
#include <utility>

#include "server/domain/passwords.h"
#include "server/service/audit_log.h"
#include "server/service/errors.h"
#include "server/service/login_throttle.h"
#include "watchword/base/reason.h"

namespace watchword {
namespace {

// One attempt on its way: looks up, then hashes, so it is never touched by two threads at a time.
class Check : public std::enable_shared_from_this<Check> {
 public:
  Check(const Environment& environment, PasswordCheck::Attempt attempt, Done<PasswordCheck::Proof> done)
      : environment_(environment), attempt_(std::move(attempt)), done_(std::move(done)) {}

  void Start() {
    if (auto status = environment_.hash_executor.WouldAccept(attempt_.deadline); !status.ok()) {
      return done_(NotDone(status));
    }
    OnExecutor(environment_.store_executor, &Check::LookUp, 0);
  }

 private:
  void OnExecutor(Executor& executor, void (Check::*step)(), size_t weight) {
    auto self = shared_from_this();
    const absl::Status queued = executor.Submit(
        attempt_.deadline,
        [self, step](const absl::Status& status) {
          if (!status.ok()) return self->done_(NotDone(status));
          ((*self).*step)();
        },
        weight);
    if (!queued.ok()) done_(NotDone(queued));
  }

  void LookUp() {
    if (auto status = environment_.throttle.Admit(attempt_.source); !status.ok()) return done_(status);
    absl::StatusOr<PrincipalRecord> found = environment_.store.users().FindByName(attempt_.username);
    if (found.ok()) {
      principal_ = *std::move(found);
    } else if (found.status().code() != absl::StatusCode::kNotFound) {
      return done_(StoreFailed(found.status()));
    }
    OnExecutor(environment_.hash_executor, &Check::Decide,
               environment_.hasher.MemoryFor(principal_ ? principal_->password_hash : ""));
  }

  void Decide() {
    // Calls that are begun and dropped at once must not cost a hash each.
    if (attempt_.is_cancelled && attempt_.is_cancelled()) return done_(absl::CancelledError("the caller is gone"));
    const PasswordHasher& hasher = environment_.hasher;
    absl::StatusOr<Secret> canonical = CanonicalPassword(attempt_.password.Reveal());
    const bool well_formed = canonical.ok();
    const Secret password = well_formed ? *std::move(canonical) : std::move(attempt_.password);
    const absl::StatusOr<bool> right = IsRight(password);
    if (!right.ok()) return done_(NotDone(right.status()));
    right_ = *right && well_formed && !principal_->disabled;
    if (right_ && hasher.NeedsRehash(principal_->password_hash)) {
      if (auto hash = hasher.Hash(password); hash.ok()) new_hash_ = *std::move(hash);
    }
    OnExecutor(environment_.store_executor, &Check::Settle, 0);
  }

  // What is true is told only as the throttle allows, which has noted it by then.
  void Settle() {
    // Nobody guesses 32 random bytes, and a program that starts on another machine must not wait for those who try.
    if (right_ && principal_->kind == PrincipalKind::kServiceAccount) return Accept();
    const auto answer = environment_.throttle.Settle({.account = attempt_.username, .source = attempt_.source}, right_);
    if (!answer.ok()) return done_(answer.status());
    if (*answer == LoginThrottle::Answer::kRight) return Accept();
    done_(WithAuditNote(PasswordCheck::Refused(), WhyRefused(*answer)));
  }

  void Accept() { done_(PasswordCheck::Proof{.principal = *std::move(principal_), .new_hash = std::move(new_hash_)}); }

  AuditNote WhyRefused(LoginThrottle::Answer answer) const {
    AuditNote note{.cause = principal_.has_value() ? "wrong_password" : "unknown_user",
                   .locks_account = principal_.has_value() && answer == LoginThrottle::Answer::kLocking};
    if (principal_.has_value()) {
      note.target = {.subject = principal_->id.ToString(), .username = principal_->name};
      if (principal_->disabled) note.cause = "disabled";
    }
    if (answer == LoginThrottle::Answer::kLocked) note.cause = "locked";
    return note;
  }

  // Does the work of one full hash whatever the case.
  absl::StatusOr<bool> IsRight(const Secret& password) {
    const PasswordHasher& hasher = environment_.hasher;
    if (principal_.has_value() && !principal_->password_hash.empty()) {
      absl::StatusOr<bool> right = hasher.Verify(password, principal_->password_hash);
      if (right.status().code() != absl::StatusCode::kFailedPrecondition) return right;
      environment_.log.Error("the stored password hash of a user cannot be used; the user cannot log in",
                             {{"user", attempt_.username}, {"error", std::string(right.status().message())}});
    }
    absl::StatusOr<bool> dummy = hasher.Verify(password, hasher.dummy_hash());
    if (!dummy.ok()) return dummy;
    return false;
  }

  const Environment& environment_;
  PasswordCheck::Attempt attempt_;
  Done<PasswordCheck::Proof> done_;
  std::optional<PrincipalRecord> principal_;
  bool right_ = false;
  std::string new_hash_;
};

}  // namespace

absl::Status PasswordCheck::Refused() {
  return ErrorWithReason(absl::StatusCode::kUnauthenticated, kInvalidCredentials, "wrong user name or password");
}

void PasswordCheck::Run(Attempt attempt, Done<Proof> done) const {
  std::make_shared<Check>(environment_, std::move(attempt), std::move(done))->Start();
}

absl::StatusOr<Secret> CheckPasswordForm(const Environment& environment, const Secret& password,
                                         absl::string_view field) {
  absl::StatusOr<Secret> canonical = CanonicalPassword(password.Reveal());
  if (!canonical.ok()) return InvalidField(field, canonical.status().message());
  if (auto status = CheckNewPassword(*canonical, environment.settings.password_min_characters); !status.ok()) {
    return InvalidField(field, status.message());
  }
  return canonical;
}

absl::StatusOr<std::string> HashNewPassword(const Environment& environment, const Secret& password,
                                            absl::string_view username, absl::string_view field) {
  if (auto status = CheckNotCommon(password, username, environment.settings.issuer); !status.ok()) {
    return InvalidField(field, status.message());
  }
  absl::StatusOr<std::string> hash = environment.hasher.Hash(password);
  if (!hash.ok()) return NotDone(hash.status());
  return hash;
}

}  // namespace watchword
