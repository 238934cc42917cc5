// Calls one method of a server as fast as it answers, from a fixed number of calls that are always under way, and
// prints the rate and the times. What to call is read from standard input as JSON, since it holds credentials; see
// Load.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/time/clock.h"
#include "measure.h"
#include "watchword/v1/auth.pb.h"

namespace watchword {
namespace {

struct Load {
  std::string address, method, ca_file;
  std::vector<std::string> requests{""}, bearers;  // in turns; serialized messages
  int threads = 2;                                 // each with a connection of its own
  int in_flight = 32;                              // of each thread
  double seconds = 2, warm_up = 0.3;
  bool once = false;       // each bearer once, or if there are none each request; ends when they are used up
  bool chain = false;      // requests are Refresh's, and each answer holds the next one's token
  bool responses = false;  // print them, too, in base64
};

Load ReadLoad(std::istream& in) {
  const auto json = nlohmann::json::parse(in);
  Load load;
  load.address = json.at("address");
  load.method = json.at("method");
  load.ca_file = json.value("ca_file", "");
  if (json.contains("requests")) {
    load.requests.clear();
    for (const auto& each : json["requests"]) {
      absl::Base64Unescape(each.get<std::string>(), &load.requests.emplace_back());
    }
  }
  load.bearers = json.value("bearers", load.bearers);
  load.threads = json.value("threads", load.threads);
  load.in_flight = json.value("in_flight", load.in_flight);
  load.seconds = json.value("seconds", load.seconds);
  load.warm_up = json.value("warm_up", load.warm_up);
  load.once = json.value("once", false);
  load.chain = json.value("chain", false);
  load.responses = json.value("responses", false);
  return load;
}

std::shared_ptr<grpc::Channel> Connect(const Load& load) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  if (load.ca_file.empty()) {
    return grpc::CreateCustomChannel(load.address, grpc::InsecureChannelCredentials(), arguments);
  }
  std::stringstream ca;
  ca << std::ifstream(load.ca_file).rdbuf();
  return grpc::CreateCustomChannel(load.address, grpc::SslCredentials({.pem_root_certs = ca.str()}), arguments);
}

std::string ToString(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string text;
  if (!buffer.Dump(&slices).ok()) return text;
  for (const grpc::Slice& slice : slices) text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return text;
}

grpc::ByteBuffer ToBuffer(const std::string& text) {
  grpc::Slice slice(text);
  return grpc::ByteBuffer(&slice, 1);
}

// The calls of one thread. Not thread-safe.
class Caller {
 public:
  Caller(const Load& load, int number, absl::Time count_from, absl::Time end)
      : load_(load), stub_(Connect(load)), next_(static_cast<size_t>(number)), count_from_(count_from), end_(end) {}

  void Run() {
    for (int i = 0; i < load_.in_flight; ++i) {
      slots_.push_back(std::make_unique<Slot>());
      slots_.back()->chained = load_.requests[next_ % load_.requests.size()];
      Start(*slots_.back());
    }
    void* tag = nullptr;
    bool ok = false;
    while (under_way_ > 0 && queue_.Next(&tag, &ok)) Ended(*static_cast<Slot*>(tag));
    queue_.Shutdown();
    while (queue_.Next(&tag, &ok)) continue;
  }

  std::vector<double> microseconds;
  std::vector<std::string> responses;
  absl::Time last = absl::InfinitePast();
  std::string error;

 private:
  struct Slot {
    std::unique_ptr<grpc::ClientContext> context;
    std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
    grpc::ByteBuffer response;
    grpc::Status status;
    absl::Time began;
    std::string chained;
  };

  void Start(Slot& slot) {
    const size_t work = load_.bearers.empty() ? load_.requests.size() : load_.bearers.size();
    if ((load_.once && next_ >= work) || (!load_.once && absl::Now() >= end_) || !error.empty()) return;
    slot.context = std::make_unique<grpc::ClientContext>();
    slot.context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    if (!load_.bearers.empty()) {
      slot.context->AddMetadata("authorization", "Bearer " + load_.bearers[next_ % load_.bearers.size()]);
    }
    const std::string& request = load_.chain ? slot.chained : load_.requests[next_ % load_.requests.size()];
    next_ += static_cast<size_t>(load_.threads);
    slot.began = absl::Now();
    slot.reader = stub_.PrepareUnaryCall(slot.context.get(), load_.method, ToBuffer(request), &queue_);
    slot.reader->StartCall();
    slot.reader->Finish(&slot.response, &slot.status, &slot);
    ++under_way_;
  }

  void Ended(Slot& slot) {
    --under_way_;
    const absl::Time now = absl::Now();
    if (!slot.status.ok()) {
      error = slot.status.error_message();
      return;
    }
    if (now >= count_from_ && (load_.once || now < end_)) {
      microseconds.push_back(absl::ToDoubleMicroseconds(now - slot.began));
    }
    last = now;
    if (load_.responses) responses.push_back(ToString(slot.response));
    if (load_.chain) slot.chained = NextRefresh(ToString(slot.response));
    Start(slot);
  }

  static std::string NextRefresh(const std::string& text) {
    v1::RefreshResponse response;
    v1::RefreshRequest request;
    if (response.ParseFromString(text)) request.set_refresh_token(response.refresh_token());
    return request.SerializeAsString();
  }

  const Load& load_;
  grpc::GenericStub stub_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Slot>> slots_;
  size_t next_;
  int under_way_ = 0;
  const absl::Time count_from_, end_;
};

int Run(const Load& load) {
  const absl::Time begin = absl::Now();
  const absl::Time count_from = load.once ? begin : begin + absl::Seconds(load.warm_up);
  const absl::Time end = count_from + absl::Seconds(load.seconds);
  std::vector<std::unique_ptr<Caller>> callers;
  std::vector<std::thread> threads;
  for (int i = 0; i < load.threads; ++i) callers.push_back(std::make_unique<Caller>(load, i, count_from, end));
  for (auto& caller : callers) threads.emplace_back([&caller] { caller->Run(); });
  for (std::thread& thread : threads) thread.join();
  std::vector<double> microseconds;
  nlohmann::json responses = nlohmann::json::array();
  absl::Time last = begin;
  for (const auto& caller : callers) {
    if (!caller->error.empty()) {
      std::fprintf(stderr, "load_bench: %s: %s\n", load.method.c_str(), caller->error.c_str());
      return 1;
    }
    microseconds.insert(microseconds.end(), caller->microseconds.begin(), caller->microseconds.end());
    for (const std::string& response : caller->responses) responses.push_back(absl::Base64Escape(response));
    last = std::max(last, caller->last);
  }
  const double lasted = load.once ? absl::ToDoubleSeconds(last - begin) : load.seconds;
  nlohmann::json result = {{"calls", microseconds.size()},
                           {"per_second", static_cast<double>(microseconds.size()) / lasted},
                           {"p50_us", Quantile(microseconds, 0.5)},
                           {"p99_us", Quantile(microseconds, 0.99)}};
  if (load.responses) result["responses"] = std::move(responses);
  Print(result);
  return microseconds.empty() ? 1 : 0;
}

}  // namespace
}  // namespace watchword

int main() {
  try {
    return watchword::Run(watchword::ReadLoad(std::cin));
  } catch (const nlohmann::json::exception& error) {
    std::fprintf(stderr, "load_bench: %s\n", error.what());
    return 2;
  }
}
