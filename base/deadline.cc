#include "watchword/base/deadline.h"

namespace watchword {
namespace {

thread_local absl::Time current_deadline = absl::InfiniteFuture();

}  // namespace

absl::Time CurrentDeadline() { return current_deadline; }

ScopedDeadline::ScopedDeadline(absl::Time deadline) : outer_(current_deadline) { current_deadline = deadline; }

ScopedDeadline::~ScopedDeadline() { current_deadline = outer_; }

}  // namespace watchword
