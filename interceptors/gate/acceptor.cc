#include "watchword/gate/acceptor.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "grpcpp/server_builder.h"
#include "watchword/base/source_address.h"

namespace watchword {
namespace {

constexpr int kRestMs = 100;
constexpr int kTickMs = 100;
constexpr absl::Duration kBetweenLogLines = absl::Seconds(10);

absl::string_view Describe(Connections::Answer answer) {
  switch (answer) {
    case Connections::Answer::kTooMany:
      return "there are too many";
    case Connections::Answer::kTooManyFromAddress:
      return "there are too many from this address";
    case Connections::Answer::kLeft:
      return "clients at this address have left too many with calls that are not over";
    case Connections::Answer::kFlood:
      return "somebody floods, and this address has several";
    case Connections::Answer::kBroken:
      return "one of this address was just broken off for what it brought";
    case Connections::Answer::kTake:
      break;
  }
  return "";
}

}  // namespace

Acceptor::Acceptor(std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> server,
                   std::shared_ptr<Connections> connections, const Clock& clock, Logger& log)
    : server_(std::move(server)), connections_(std::move(connections)), clock_(clock), log_(log) {}

Acceptor::~Acceptor() {
  if (thread_.joinable()) {
    eventfd_write(end_, 1);
    thread_.join();
  }
  if (epoll_ >= 0) close(epoll_);
  if (end_ >= 0) close(end_);
}

absl::StatusOr<int> Acceptor::Open(const std::string& address) {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  end_ = eventfd(0, EFD_CLOEXEC);
  if (epoll_ < 0 || end_ < 0) return absl::UnavailableError(std::strerror(errno));
  return sockets_.Open(address);
}

void Acceptor::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Acceptor::Run() {
  pthread_setname_np(pthread_self(), "acceptor");
  const auto watch = [this](int descriptor) {
    epoll_event event{.events = EPOLLIN, .data = {.u64 = static_cast<uint64_t>(descriptor)}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event);
  };
  watch(end_);
  for (const int listener : sockets_.descriptors()) watch(listener);
  std::array<epoll_event, 64> events{};
  while (true) {
    const int count = epoll_wait(epoll_, events.data(), events.size(), connections_->IsCrowded() ? kTickMs : -1);
    LogBroken(connections_->BreakFlooding());
    for (int i = 0; i < count; ++i) {
      const uint64_t which = events[i].data.u64;
      if (which == static_cast<uint64_t>(end_)) return;
      if (which >> 32 == 0) {
        AcceptFrom(static_cast<int>(which));
      } else {
        connections_->NoteLeft(which);
      }
    }
  }
}

// One at a time: who has left in the meantime is to be known before the next is taken.
void Acceptor::AcceptFrom(int listener) {
  if (sockets_.descriptors().empty()) return;  // closed meanwhile
  const int socket = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (socket >= 0) return Take(socket, listener);
  if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) Rest(std::strerror(errno));
  // Else it was given up before it was taken, accept(2).
}

void Acceptor::Take(int socket, int listener) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) != 0) {  // reset already: gRPC would log an error
    close(socket);
    return;
  }
  const std::string source = SourceOfSocketAddress(peer);
  const Connections::Answer answer = connections_->Ask(source);
  if (answer != Connections::Answer::kTake) {
    close(socket);
    return LogRefusal(source, answer);
  }
  // Before gRPC has it, after which the descriptor may become another's at any time. The kernel forgets it when it is
  // closed.
  const uint64_t connection = connections_->Add(socket, source);
  epoll_event event{.events = EPOLLRDHUP | EPOLLET, .data = {.u64 = connection}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event);
  if (HandOver(socket, listener) || !connections_->IsOpen(connection)) return;
  // The server was shut down. (Or a client of a Unix socket has a name that gRPC cannot write.)
  if (peer.ss_family != AF_UNIX) sockets_.Close();
  close(socket);
}

// Whether gRPC has taken the connection. One that comes after the server was shut down it neither takes nor closes
// (1.51), and says so only in its log. But it takes what was read of the connection together with it: here a slice of
// nothing, as a receipt.
bool Acceptor::HandOver(int socket, int listener) {
  const grpc::Slice receipt;
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
  connection.listener_fd = listener;
  connection.fd = socket;
  connection.read_buffer = grpc::ByteBuffer(&receipt, 1);
  server_->HandleNewConnection(&connection);
  std::vector<grpc::Slice> slices;
  return connection.read_buffer.Dump(&slices).ok() && slices.empty();
}

void Acceptor::Rest(const char* error) {
  if (MayLog()) log_.Error("new connections have to wait", {{"error", error}});
  pollfd end{.fd = end_, .events = POLLIN, .revents = 0};
  poll(&end, 1, kRestMs);
}

void Acceptor::LogRefusal(const std::string& source, Connections::Answer answer) {
  if (!MayLog()) return;
  log_.Warning("a connection was refused", {{"source", source},
                                            {"reason", std::string(Describe(answer))},
                                            {"refused", absl::StrCat(connections_->refused(answer))}});
}

void Acceptor::LogBroken(const Connections::Broken& broken) {
  if (broken.connections == 0) return;
  log_.Warning("connections that brought more than can be read were broken off in a flood",
               {{"connections", absl::StrCat(broken.connections)}, {"source", broken.source}});
}

// Not for each connection, of which anybody may bring many.
bool Acceptor::MayLog() {
  const absl::Duration now = clock_.SinceBoot();
  if (now - logged_at_ < kBetweenLogLines) return false;
  logged_at_ = now;
  return true;
}

}  // namespace watchword
