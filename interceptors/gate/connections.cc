#include "watchword/gate/connections.h"

#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "watchword/gate/connection_breaker.h"

namespace watchword {
namespace {

// How many connections that its clients have left, or that it has in a flood, an address may have before it has to
// wait, and for how long then. A client that starts again leaves as many for an instant, until gRPC has seen it.
constexpr int kFew = 8;
constexpr size_t kManyLeft = 64;
constexpr absl::Duration kPause = absl::Milliseconds(250);
// For how long an address gets no connection when one was broken off. Working off what it brought takes a quarter of
// it.
constexpr absl::Duration kPauseOfBroken = absl::Seconds(1);
// More refusals a second are a flood, and it is taken to last.
constexpr double kFloodRate = 1'000;
constexpr absl::Duration kFloodLasts = absl::Seconds(5);
constexpr absl::Duration kBetweenLooksAtLoad = absl::Milliseconds(100);
// For how long what the process took before a flood says how much it has grown.
constexpr absl::Duration kMemoryIsOld = absl::Seconds(10);
// What waits in a socket is more than is read, if it is as much as the headers of some sixty calls. In bytes.
constexpr int kMuchUnread = 2'048;
// Looking at a socket takes some 0.3 µs, and there may be many.
constexpr absl::Duration kBetweenLooksAtLeft = absl::Milliseconds(10);
constexpr absl::Duration kBetweenLooksAtAll = absl::Milliseconds(100);
constexpr int kDescriptorBits = 32;

// The inode of a socket; std::nullopt if the descriptor is of nothing, or of something else.
std::optional<ino_t> InodeOf(int descriptor) {
  struct stat status {};
  if (fstat(descriptor, &status) != 0 || !S_ISSOCK(status.st_mode)) return std::nullopt;
  return status.st_ino;
}

int DescriptorOf(uint64_t connection) { return static_cast<int>(connection & ((uint64_t{1} << kDescriptorBits) - 1)); }

int CapInAll(int in_all) {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY) return in_all;
  return static_cast<int>(std::min<rlim_t>(static_cast<rlim_t>(in_all), files.rlim_cur - files.rlim_cur / 4));
}

}  // namespace

Connections::Connections(const Limits& limits, std::function<Load()> load, const Clock& clock)
    : limits_{limits.from_one_address, CapInAll(limits.in_all), limits.growth}, load_(std::move(load)), clock_(clock) {}

Connections::Answer Connections::Ask(const std::string& source) {
  MutexLock lock(mutex_);
  const Answer answer = Judge(source);
  if (answer != Answer::kTake) ++refused_[static_cast<size_t>(answer)];
  return answer;
}

Connections::Answer Connections::Judge(const std::string& source) {
  const absl::Duration now = clock_.SinceBoot();
  ForgetLeft(now);
  LookAtLoad(now);
  const auto count = [this, &source]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto found = sources_.find(source);
    return found == sources_.end() ? 0 : found->second.open;
  };
  if (const auto barred = barred_until_.find(source); barred != barred_until_.end() && now < barred->second) {
    return Answer::kBroken;
  }
  const auto most = static_cast<size_t>(limits_.in_all);
  const size_t nearly = most - most / 4;
  if (open_.size() >= nearly || now < flooded_until_ || count() >= limits_.from_one_address) ForgetClosed(now);
  if (open_.size() >= most || (open_.size() >= nearly && count() >= kFew)) return Answer::kTooMany;
  if (count() >= limits_.from_one_address) return Answer::kTooManyFromAddress;
  const auto found = sources_.find(source);
  if (found == sources_.end() || now >= found->second.next_at) return Answer::kTake;
  const Source& its = found->second;
  // With many left in all, one is enough, if it has not many more that are in use.
  if (its.left >= kFew || (left_.size() >= kManyLeft && its.left > 0 && 4 * its.left >= its.open)) return Answer::kLeft;
  return now < flooded_until_ && its.open >= kFew ? Answer::kFlood : Answer::kTake;
}

uint64_t Connections::Add(int descriptor, const std::string& source) {
  MutexLock lock(mutex_);
  if (const auto old = open_.find(descriptor); old != open_.end()) Forget(old);
  const uint64_t name = ++added_ << kDescriptorBits | static_cast<uint64_t>(descriptor);
  open_.emplace(descriptor, Connection{name, InodeOf(descriptor).value_or(0), source});
  Source& its = sources_[source];
  if (++its.open == kFew + 1) ++crowded_;
  its.next_at = clock_.SinceBoot() + kPause;
  return name;
}

void Connections::NoteLeft(uint64_t connection) {
  MutexLock lock(mutex_);
  const auto found = open_.find(DescriptorOf(connection));
  if (found == open_.end() || found->second.name != connection || found->second.left) return;
  found->second.left = true;
  ++sources_[found->second.source].left;
  left_.push_back(connection);
}

void Connections::NoteBroken(const std::string& source) {
  MutexLock lock(mutex_);
  Bar(source);
}

void Connections::Bar(const std::string& source) {
  const absl::Duration now = clock_.SinceBoot();
  absl::erase_if(barred_until_, [now](const auto& each) { return each.second <= now; });
  barred_until_[source] = now + kPauseOfBroken;
}

Connections::Broken Connections::BreakFlooding() {
  MutexLock lock(mutex_);
  const absl::Duration now = clock_.SinceBoot();
  LookAtLoad(now);
  if (!is_overwhelmed_ || now < looked_at_unread_ + kBetweenLooksAtLoad) return {};
  looked_at_unread_ = now;
  ForgetClosed(now);
  absl::flat_hash_map<std::string, std::vector<int>> unread;
  for (const auto& connection : open_) {
    int size = 0;
    if (!IsOpen(connection) || ioctl(connection.first, FIONREAD, &size) != 0 || size < kMuchUnread) continue;
    unread[connection.second.source].push_back(connection.first);
  }
  Broken broken;
  for (const auto& [source, sockets] : unread) {
    if (sockets.size() <= kFew) continue;
    for (const int socket : sockets) broken.connections += BreakConnection(socket) ? 1 : 0;
    broken.source = source;
    Bar(source);
  }
  broken_ += static_cast<uint64_t>(broken.connections);
  return broken;
}

bool Connections::IsCrowded() const {
  MutexLock lock(mutex_);
  return crowded_ > 0;
}

uint64_t Connections::broken() const {
  MutexLock lock(mutex_);
  return broken_;
}

bool Connections::IsOpen(const ByDescriptor::value_type& connection) {
  const auto& [descriptor, its] = connection;
  return InodeOf(descriptor) == its.inode;
}

bool Connections::IsOpen(uint64_t connection) const {
  MutexLock lock(mutex_);
  const auto found = open_.find(DescriptorOf(connection));
  return found != open_.end() && found->second.name == connection && IsOpen(*found);
}

size_t Connections::size() {
  MutexLock lock(mutex_);
  ForgetClosed(clock_.SinceBoot());
  return open_.size();
}

uint64_t Connections::refused(Answer answer) const {
  MutexLock lock(mutex_);
  return refused_[static_cast<size_t>(answer)];
}

void Connections::LookAtLoad(absl::Duration now) {
  if (now < looked_at_load_ + kBetweenLooksAtLoad) return;
  const Load load = load_();
  const double few = kFloodRate * absl::ToDoubleSeconds(now - looked_at_load_);
  const auto are_many = [few](uint64_t count, uint64_t before) { return static_cast<double>(count - before) > few; };
  if (are_many(load.refused, load_then_.refused)) flooded_until_ = now + kFloodLasts;
  if (now >= anonymously_flooded_until_ || now >= memory_before_at_ + kMemoryIsOld) {
    memory_before_ = load.memory;
    memory_before_at_ = now;
  }
  const bool is_flood = are_many(load.refused_without_credential, load_then_.refused_without_credential);
  if (is_flood) anonymously_flooded_until_ = now + kFloodLasts;
  is_overwhelmed_ = is_flood && memory_before_ > 0 && load.memory > memory_before_ + limits_.growth;
  load_then_ = load;
  looked_at_load_ = now;
}

void Connections::ForgetClosed(absl::Duration now) {
  if (now < looked_at_all_ + kBetweenLooksAtAll) return;
  looked_at_all_ = now;
  for (auto each = open_.begin(); each != open_.end();) {
    const auto connection = each++;
    if (!IsOpen(*connection)) Forget(connection);
  }
}

void Connections::ForgetLeft(absl::Duration now) {
  if (now < looked_at_left_ + kBetweenLooksAtLeft) return;
  looked_at_left_ = now;
  left_.erase(std::remove_if(left_.begin(), left_.end(),
                             [this](uint64_t name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
                               const auto found = open_.find(DescriptorOf(name));
                               if (found == open_.end() || found->second.name != name) return true;
                               if (IsOpen(*found)) return false;
                               Forget(found);
                               return true;
                             }),
              left_.end());
}

void Connections::Forget(ByDescriptor::iterator connection) {
  const auto source = sources_.find(connection->second.source);
  if (connection->second.left) --source->second.left;
  if (source->second.open-- == kFew + 1) --crowded_;
  if (source->second.open == 0) sources_.erase(source);
  open_.erase(connection);
}

}  // namespace watchword
