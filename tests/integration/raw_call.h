#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "probe.pb.h"

namespace watchword {

using Metadata = std::vector<std::pair<std::string, std::string>>;

struct CallResult {
  grpc::Status status;
  std::string caller;  // what the handler said
  int64_t handled_at = 0, deadline = 0;
};

// Calls `path` with exactly this metadata: sends one message, reads to the end. That is the same on the wire for a
// method of any kind.
inline CallResult RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
                          const Metadata& metadata) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  for (const auto& [key, value] : metadata) context.AddMetadata(key, value);
  grpc::CompletionQueue queue;
  const auto next = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  CallResult result;
  auto call = stub.PrepareCall(&context, path, &queue);
  call->StartCall(nullptr);
  if (next()) {
    grpc::Slice slice(probe::v1::Probe().SerializeAsString());
    call->WriteLast(grpc::ByteBuffer(&slice, 1), {}, nullptr);
    next();
    grpc::ByteBuffer buffer;
    for (call->Read(&buffer, nullptr); next(); call->Read(&buffer, nullptr)) {
      grpc::Slice bytes;
      probe::v1::Probe probe;
      if (buffer.DumpToSingleSlice(&bytes).ok() &&
          probe.ParseFromArray(bytes.begin(), static_cast<int>(bytes.size()))) {
        result.caller = probe.caller();
        result.handled_at = probe.handled_at();
        result.deadline = probe.deadline();
      }
    }
  }
  call->Finish(&result.status, nullptr);
  next();
  return result;
}

}  // namespace watchword
