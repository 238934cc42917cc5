#include "probe_server.h"

#include <chrono>
#include <functional>
#include <utility>

#include "grpcpp/generic/async_generic_service.h"
#include "probe.grpc.pb.h"
#include "watchword/base/reason.h"
#include "watchword/gate/caller.h"

namespace watchword {
namespace {

using probe::v1::Probe;
using probe::v1::ProbeService;

Probe Answer(ProbeServer& server, const grpc::ServerContextBase& context) {
  const auto micros = [](std::chrono::system_clock::time_point time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
  };
  Probe probe;
  probe.set_handled_at(micros(std::chrono::system_clock::now()));
  probe.set_deadline(micros(context.deadline()));
  probe.set_caller(server.Handle(context));
  return probe;
}

class SyncService final : public ProbeService::Service {
 public:
  explicit SyncService(ProbeServer& server) : server_(server) {}

  grpc::Status Unary(grpc::ServerContext* context, const Probe*, Probe* response) override {
    *response = Answer(server_, *context);
    return grpc::Status::OK;
  }
  grpc::Status ClientStream(grpc::ServerContext* context, grpc::ServerReader<Probe>* reader, Probe* response) override {
    Probe request;
    while (reader->Read(&request)) continue;
    *response = Answer(server_, *context);
    return grpc::Status::OK;
  }
  grpc::Status ServerStream(grpc::ServerContext* context, const Probe*, grpc::ServerWriter<Probe>* writer) override {
    writer->Write(Answer(server_, *context));
    return grpc::Status::OK;
  }
  grpc::Status Bidi(grpc::ServerContext* context, grpc::ServerReaderWriter<Probe, Probe>* stream) override {
    Probe request;
    while (stream->Read(&request)) continue;
    stream->Write(Answer(server_, *context));
    return grpc::Status::OK;
  }
  grpc::Status Open(grpc::ServerContext* context, const Probe*, Probe* response) override {
    *response = Answer(server_, *context);
    return grpc::Status::OK;
  }

 private:
  ProbeServer& server_;
};

class ReadAll final : public grpc::ServerReadReactor<Probe> {
 public:
  explicit ReadAll(Probe* response, Probe answer) {
    *response = std::move(answer);
    StartRead(&request_);
  }
  void OnReadDone(bool ok) override { ok ? StartRead(&request_) : Finish(grpc::Status::OK); }
  void OnDone() override { delete this; }

 private:
  Probe request_;
};

class WriteOne final : public grpc::ServerWriteReactor<Probe> {
 public:
  explicit WriteOne(Probe answer) : answer_(std::move(answer)) { StartWriteAndFinish(&answer_, {}, grpc::Status::OK); }
  void OnDone() override { delete this; }

 private:
  Probe answer_;
};

// Reads all, then writes the answer. Also for generic services, whose messages are bytes.
template <typename Base, typename Message>
class ReadAllThenWrite final : public Base {
 public:
  explicit ReadAllThenWrite(Message answer) : answer_(std::move(answer)) { this->StartRead(&request_); }
  void OnReadDone(bool ok) override {
    ok ? this->StartRead(&request_) : this->StartWriteAndFinish(&answer_, {}, grpc::Status::OK);
  }
  void OnDone() override { delete this; }

 private:
  Message request_, answer_;
};

class CallbackService final : public ProbeService::CallbackService {
 public:
  explicit CallbackService(ProbeServer& server) : server_(server) {}

  grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext* context, const Probe*, Probe* response) override {
    *response = Answer(server_, *context);
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  grpc::ServerReadReactor<Probe>* ClientStream(grpc::CallbackServerContext* context, Probe* response) override {
    return new ReadAll(response, Answer(server_, *context));
  }
  grpc::ServerWriteReactor<Probe>* ServerStream(grpc::CallbackServerContext* context, const Probe*) override {
    return new WriteOne(Answer(server_, *context));
  }
  grpc::ServerBidiReactor<Probe, Probe>* Bidi(grpc::CallbackServerContext* context) override {
    return new ReadAllThenWrite<grpc::ServerBidiReactor<Probe, Probe>, Probe>(Answer(server_, *context));
  }
  grpc::ServerUnaryReactor* Open(grpc::CallbackServerContext* context, const Probe* request, Probe* response) override {
    server_.CountOpen();
    return Unary(context, request, response);
  }

 private:
  ProbeServer& server_;
};

class GenericService final : public grpc::CallbackGenericService {
 public:
  explicit GenericService(ProbeServer& server) : server_(server) {}

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    grpc::Slice slice(Answer(server_, *context).SerializeAsString());
    return new ReadAllThenWrite<grpc::ServerGenericBidiReactor, grpc::ByteBuffer>(grpc::ByteBuffer(&slice, 1));
  }

 private:
  ProbeServer& server_;
};

// Waits for the one operation that runs on `queue`.
bool Next(grpc::ServerCompletionQueue& queue) {
  void* tag = nullptr;
  bool ok = false;
  return queue.Next(&tag, &ok) && ok;
}

// The loops of the completion queue service, one for each method: accept a call, serve it, accept the next.
using AsyncService = ProbeService::AsyncService;
using Queue = grpc::ServerCompletionQueue;

void ServeUnary(ProbeServer& server, AsyncService& service, Queue& queue) {
  while (true) {
    grpc::ServerContext context;
    Probe request;
    grpc::ServerAsyncResponseWriter<Probe> writer(&context);
    service.RequestUnary(&context, &request, &writer, &queue, &queue, nullptr);
    if (!Next(queue)) return;
    writer.Finish(Answer(server, context), grpc::Status::OK, nullptr);
    Next(queue);
  }
}

void ServeOpen(ProbeServer& server, AsyncService& service, Queue& queue) {
  while (true) {
    grpc::ServerContext context;
    Probe request;
    grpc::ServerAsyncResponseWriter<Probe> writer(&context);
    service.RequestOpen(&context, &request, &writer, &queue, &queue, nullptr);
    if (!Next(queue)) return;
    writer.Finish(Answer(server, context), grpc::Status::OK, nullptr);
    Next(queue);
  }
}

void ServeClientStream(ProbeServer& server, AsyncService& service, Queue& queue) {
  while (true) {
    grpc::ServerContext context;
    Probe request;
    grpc::ServerAsyncReader<Probe, Probe> reader(&context);
    service.RequestClientStream(&context, &reader, &queue, &queue, nullptr);
    if (!Next(queue)) return;
    const Probe answer = Answer(server, context);
    do {
      reader.Read(&request, nullptr);
    } while (Next(queue));
    reader.Finish(answer, grpc::Status::OK, nullptr);
    Next(queue);
  }
}

void ServeServerStream(ProbeServer& server, AsyncService& service, Queue& queue) {
  while (true) {
    grpc::ServerContext context;
    Probe request;
    grpc::ServerAsyncWriter<Probe> writer(&context);
    service.RequestServerStream(&context, &request, &writer, &queue, &queue, nullptr);
    if (!Next(queue)) return;
    writer.WriteAndFinish(Answer(server, context), {}, grpc::Status::OK, nullptr);
    Next(queue);
  }
}

void ServeBidi(ProbeServer& server, AsyncService& service, Queue& queue) {
  while (true) {
    grpc::ServerContext context;
    Probe request;
    grpc::ServerAsyncReaderWriter<Probe, Probe> stream(&context);
    service.RequestBidi(&context, &stream, &queue, &queue, nullptr);
    if (!Next(queue)) return;
    const Probe answer = Answer(server, context);
    do {
      stream.Read(&request, nullptr);
    } while (Next(queue));
    stream.WriteAndFinish(answer, {}, grpc::Status::OK, nullptr);
    Next(queue);
  }
}

constexpr void (*kAsyncLoops[])(ProbeServer&, AsyncService&, Queue&) = {ServeUnary, ServeOpen, ServeClientStream,
                                                                        ServeServerStream, ServeBidi};

}  // namespace

ProbeServer::ProbeServer(Style style, Gate& gate, const std::string& address, PortSecurity security) : gate_(gate) {
  grpc::ServerBuilder builder;
  // So that too long a credential reaches the gate at all.
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 64 * 1024);
  gate.AddListeningPort(builder, address, std::move(security), &port_);
  AsyncService* async = nullptr;
  if (style == Style::kSync) services_.push_back(std::make_unique<SyncService>(*this));
  if (style == Style::kCallback) services_.push_back(std::make_unique<CallbackService>(*this));
  if (style == Style::kGeneric) generic_ = std::make_unique<GenericService>(*this);
  if (style == Style::kAsync) {
    services_.push_back(std::make_unique<AsyncService>());
    async = static_cast<AsyncService*>(services_.back().get());
    for (size_t i = 0; i < std::size(kAsyncLoops); ++i) queues_.push_back(builder.AddCompletionQueue());
  }
  for (auto& service : services_) builder.RegisterService(service.get());
  if (generic_ != nullptr) builder.RegisterCallbackGenericService(generic_.get());
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) return;
  for (size_t i = 0; i < queues_.size(); ++i) {
    threads_.emplace_back([this, async, i] { kAsyncLoops[i](*this, *async, *queues_[i]); });
  }
}

ProbeServer::~ProbeServer() {
  if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
  for (auto& thread : threads_) thread.join();
  for (auto& queue : queues_) {
    queue->Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue->Next(&tag, &ok)) continue;
  }
}

std::string ProbeServer::Handle(const grpc::ServerContextBase& context) {
  ++handler_runs_;
  const auto caller = Caller::From(context, gate_);
  return caller.ok() ? caller->subject() : ReasonOf(caller.status());
}

}  // namespace watchword
