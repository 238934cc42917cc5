#include "server/ops/ops_server.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <future>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "httplib.h"
#include "nlohmann/json.hpp"

namespace watchword {
namespace {

constexpr size_t kThreads = 2;
constexpr size_t kMaxPayload = 1024;

// Signals belong to the main thread. Threads started from here on inherit this.
void BlockSignals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

// httplib's own default sets SO_REUSEPORT, with which a second server on the same port would take half of the requests.
void SetSocketOptions(socket_t socket) {
  const int yes = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
}

void Answer(httplib::Response& response, int status, const std::string& body,
            const char* type = "text/plain; charset=utf-8") {
  response.status = status;
  response.set_content(body, type);
}

// The algorithms of the keys in a JWK Set.
std::set<std::string> AlgorithmsOf(const std::string& jwks) {
  std::set<std::string> algorithms;
  const auto parsed = nlohmann::json::parse(jwks, /*cb=*/nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object() || !parsed.contains("keys")) return algorithms;
  for (const auto& key : parsed["keys"]) {
    if (key.is_object() && key.contains("alg") && key["alg"].is_string())
      algorithms.insert(key["alg"].get<std::string>());
  }
  return algorithms;
}

// What Kubernetes' API server says of its own tokens, and for the same reason: there is nothing to log in to over HTTP,
// so what a client would need for that is left out, while what the standard requires beside it is there.
std::string Discovery(const OpsServer::Options& options) {
  const nlohmann::ordered_json document = {
      {"issuer", options.issuer},
      {"jwks_uri", absl::StrCat(absl::StripSuffix(options.issuer, "/"), "/.well-known/jwks.json")},
      {"response_types_supported", {"id_token"}},
      {"subject_types_supported", {"public"}},
      {"id_token_signing_alg_values_supported", AlgorithmsOf(options.jwks())}};
  return document.dump();
}

void Answer(httplib::Response& response, const absl::Status& status) {
  if (status.ok()) return Answer(response, 200, "ok\n");
  Answer(response, 503, absl::StrCat(absl::StrReplaceAll(status.message(), {{"\n", " "}}), "\n"));
}

void Route(const OpsServer::Options& options, const httplib::Request& request, httplib::Response& response) {
  if (request.method != "GET" && request.method != "HEAD") {
    response.set_header("Allow", "GET, HEAD");
    return Answer(response, 405, "only GET\n");
  }
  if (request.path == "/livez") return Answer(response, absl::OkStatus());
  if (request.path == "/readyz") return Answer(response, options.readiness());
  if (request.path == "/metrics") return Answer(response, 200, options.metrics(), "text/plain; version=0.0.4");
  if (request.path == "/.well-known/jwks.json") {
    const std::string keys = options.jwks();
    if (keys.empty()) return Answer(response, 503, "starting\n");
    response.set_header("Cache-Control", "max-age=60");
    return Answer(response, 200, keys, "application/jwk-set+json");
  }
  if (request.path == "/.well-known/openid-configuration") {
    response.set_header("Cache-Control", "max-age=60");
    return Answer(response, 200, Discovery(options), "application/json");
  }
  Answer(response, 404,
         "not here; there are /metrics, /livez, /readyz, /.well-known/jwks.json and "
         "/.well-known/openid-configuration\n");
}

// A connection that is given up at a fixed time. httplib's own time-outs begin anew with each byte, so that a client
// which sends one now and then could keep a thread, and two of them the port, for ever.
class TimedStream final : public httplib::Stream {
 public:
  TimedStream(socket_t socket, absl::Duration timeout)
      : socket_(socket), give_up_at_(std::chrono::steady_clock::now() + absl::ToChronoMilliseconds(timeout)) {}

  bool is_readable() const override { return WaitFor(POLLIN); }
  bool is_writable() const override { return WaitFor(POLLOUT); }
  ssize_t read(char* data, size_t size) override { return is_readable() ? recv(socket_, data, size, 0) : -1; }
  ssize_t write(const char* data, size_t size) override {
    if (!is_writable()) return -1;
    const ssize_t sent = send(socket_, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 && errno == EAGAIN ? 0 : sent;
  }
  socket_t socket() const override { return socket_; }

  // Only for a request's headers, which nobody looks at.
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}

 private:
  bool WaitFor(short events) const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(give_up_at_ - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd waited{.fd = socket_, .events = events, .revents = 0};
    return poll(&waited, 1, static_cast<int>(left.count())) > 0;
  }

  const socket_t socket_;
  const std::chrono::steady_clock::time_point give_up_at_;
};

// Answers one request of each connection.
class TimedServer final : public httplib::Server {
 public:
  explicit TimedServer(absl::Duration timeout) : timeout_(timeout) {}

 private:
  bool process_and_close_socket(socket_t socket) override {
    TimedStream stream(socket, timeout_);
    bool closed = false;
    const bool answered = process_request(stream, /*close_connection=*/true, closed, nullptr);
    shutdown(socket, SHUT_RDWR);
    close(socket);
    return answered;
  }

  const absl::Duration timeout_;
};

}  // namespace

class OpsServer::Impl {
 public:
  explicit Impl(Options options) : options_(std::move(options)), server_(options_.timeout) {
    server_.set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      Route(options_, request, response);
      return httplib::Server::HandlerResponse::Handled;
    });
    server_.set_socket_options(SetSocketOptions);
    server_.set_payload_max_length(kMaxPayload);
  }
  ~Impl() { Stop(); }

  absl::Status Start() {
    if (!Bind(options_.host) && options_.host == "::" && errno == EAFNOSUPPORT) Bind("0.0.0.0");
    if (port_ <= 0) {
      const std::string cause = errno != 0 ? std::strerror(errno) : "no such host";
      return absl::UnavailableError(
          absl::StrCat("cannot listen on ", options_.host, ":", options_.port, " for operations: ", cause));
    }
    std::promise<void> running;
    server_.new_task_queue = [&running] {  // called once it runs: only then does stop() have an effect
      running.set_value();
      return new httplib::ThreadPool(kThreads);
    };
    thread_ = std::thread([this] {
      BlockSignals();
      server_.listen_after_bind();
    });
    running.get_future().wait();
    return absl::OkStatus();
  }

  int port() const { return port_; }

  void Stop() {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  // With errno 0 if it is the name that is wrong.
  bool Bind(const std::string& host) {
    errno = 0;
    if (options_.port == 0) {
      port_ = server_.bind_to_any_port(host);
    } else if (server_.bind_to_port(host, options_.port)) {
      port_ = options_.port;
    }
    return port_ > 0;
  }

  const Options options_;
  TimedServer server_;
  int port_ = 0;
  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<OpsServer>> OpsServer::Start(Options options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  if (auto started = impl->Start(); !started.ok()) return started;
  return std::unique_ptr<OpsServer>(new OpsServer(std::move(impl)));
}

OpsServer::OpsServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
OpsServer::~OpsServer() = default;

int OpsServer::port() const { return impl_->port(); }

void OpsServer::Stop() { impl_->Stop(); }

}  // namespace watchword
