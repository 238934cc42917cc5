// A stream whose client does not read: its handler is blocked in a write when its session is revoked.
#include <chrono>
#include <functional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gate_fixture.h"
#include "probe.grpc.pb.h"

namespace watchword {
namespace {

using probe::v1::Probe;
using probe::v1::ProbeService;

constexpr absl::Duration kPatience = absl::Seconds(20);

// How far a handler has come that writes until it cannot any more.
struct Progress {
  std::atomic<int> begun{0}, written{0};  // writes
  std::atomic<bool> over{false};
};

// More than any window lets through.
Probe LargeProbe() {
  Probe probe;
  probe.set_caller(std::string(1 << 20, 'x'));
  return probe;
}

class SyncFlood final : public ProbeService::Service {
 public:
  explicit SyncFlood(Progress& progress) : progress_(progress) {}
  grpc::Status ServerStream(grpc::ServerContext*, const Probe*, grpc::ServerWriter<Probe>* writer) override {
    const Probe probe = LargeProbe();
    for (++progress_.begun; writer->Write(probe); ++progress_.begun) ++progress_.written;
    progress_.over = true;
    return grpc::Status::OK;
  }

 private:
  Progress& progress_;
};

class CallbackFlood final : public ProbeService::CallbackService {
 public:
  explicit CallbackFlood(Progress& progress) : progress_(progress) {}
  grpc::ServerWriteReactor<Probe>* ServerStream(grpc::CallbackServerContext*, const Probe*) override {
    return new Reactor(progress_);
  }

 private:
  class Reactor final : public grpc::ServerWriteReactor<Probe> {
   public:
    explicit Reactor(Progress& progress) : progress_(progress) { Write(); }
    void OnWriteDone(bool ok) override {
      if (!ok) return Finish(grpc::Status::CANCELLED);
      ++progress_.written;
      Write();
    }
    void OnDone() override {
      progress_.over = true;
      delete this;
    }

   private:
    void Write() {
      ++progress_.begun;
      StartWrite(&probe_);
    }
    Progress& progress_;
    const Probe probe_ = LargeProbe();
  };
  Progress& progress_;
};

class BlockedWriteTest : public GateFixture {
 protected:
  // Starts a server with this service, whose only stream is ended.
  void ExpectEnds(grpc::Service& service, Progress& progress) {
    grpc::ServerBuilder builder;
    int port = 0;
    gate_->AddListeningPort(builder, "127.0.0.1:0", PortSecurity::Plaintext(), &port);
    builder.RegisterService(&service);
    const auto server = builder.BuildAndStart();
    ExpectStreamEnds(port, progress);
    server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(20));
  }

  // Opens a stream, revokes its session once the handler is blocked, and expects that both notice.
  void ExpectStreamEnds(int port, Progress& progress) {
    const auto stub = ProbeService::NewStub(
        grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()));
    const Claims claims = ProbeClaims();
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + 3 * kPatience));
    context.AddMetadata("authorization", "Bearer " + Token(claims));
    const auto stream = stub->ServerStream(&context, Probe());  // nobody reads it
    WaitUntilBlocked(progress);
    trust_.revocations().Add({.target = Revocation::Session{Uuid::Parse(claims.session_id).value()},
                              .expires_at = clock_.Now() + absl::Hours(1)},
                             clock_.Now());
    EXPECT_TRUE(Eventually([&] { return progress.over.load(); }));
    EXPECT_EQ(gate_->metrics().ended_streams, 1u);
    Probe probe;
    while (stream->Read(&probe)) continue;  // what had come before: the end is behind it
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }

  // Until one write is under way and stays so for a while.
  static void WaitUntilBlocked(const Progress& progress) {
    ASSERT_TRUE(Eventually([&progress] {
      const int begun = progress.begun;
      if (begun == 0 || progress.written == begun) return false;
      for (const absl::Time end = absl::Now() + absl::Milliseconds(200); absl::Now() < end;) std::this_thread::yield();
      return progress.begun == begun && progress.written == begun - 1;
    }));
  }

  static bool Eventually(const std::function<bool()>& condition) {
    for (const absl::Time end = absl::Now() + kPatience; absl::Now() < end; std::this_thread::yield()) {
      if (condition()) return true;
    }
    return false;
  }
};

TEST_F(BlockedWriteTest, SyncHandlerThatIsBlockedInAWriteIsFreedAndItsStreamEnds) {
  Progress progress;
  SyncFlood service(progress);
  ExpectEnds(service, progress);
}

TEST_F(BlockedWriteTest, CallbackHandlerWithAWriteUnderWayIsToldAndItsStreamEnds) {
  Progress progress;
  CallbackFlood service(progress);
  ExpectEnds(service, progress);
}

TEST_F(BlockedWriteTest, AsyncHandlerWithAWriteUnderWayIsToldAndItsStreamEnds) {
  Progress progress;
  ProbeService::AsyncService service;
  grpc::ServerBuilder builder;
  int port = 0;
  gate_->AddListeningPort(builder, "127.0.0.1:0", PortSecurity::Plaintext(), &port);
  builder.RegisterService(&service);
  const auto queue = builder.AddCompletionQueue();
  const auto server = builder.BuildAndStart();
  std::thread handler([&] {
    grpc::ServerContext context;
    Probe request;
    grpc::ServerAsyncWriter<Probe> writer(&context);
    const Probe probe = LargeProbe();
    const auto next = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      return queue->Next(&tag, &ok) && ok;
    };
    service.RequestServerStream(&context, &request, &writer, queue.get(), queue.get(), nullptr);
    bool ok = next();
    while (ok) {
      ++progress.begun;
      writer.Write(probe, nullptr);
      ok = next();
      if (ok) ++progress.written;
    }
    writer.Finish(grpc::Status::CANCELLED, nullptr);
    next();
    progress.over = true;
  });
  ExpectStreamEnds(port, progress);
  handler.join();
  server->Shutdown();
  queue->Shutdown();
}

}  // namespace
}  // namespace watchword
