#include "raw_http2.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>

namespace watchword {
namespace {

enum FrameType : uint8_t { kData = 0, kHeaders = 1, kResetStream = 3, kSettings = 4, kGoAway = 7, kContinuation = 9 };
constexpr uint8_t kEndStream = 0x1;
constexpr uint8_t kEndHeaders = 0x4;
constexpr size_t kFrameHeaderSize = 9;
constexpr size_t kMaxFrameSize = 16'384;  // that a peer may send unasked (section 4.2)

// RFC 9113 section 4.1.
std::string Frame(FrameType type, uint8_t flags, uint8_t stream, const std::string& payload) {
  std::string frame;
  for (int shift : {16, 8, 0}) frame.push_back(static_cast<char>(payload.size() >> shift));
  frame.push_back(static_cast<char>(type));
  frame.push_back(static_cast<char>(flags));
  frame += std::string(3, '\0') + static_cast<char>(stream);
  return frame + payload;
}

// A header block in as many frames as it takes (section 6.10).
std::string HeaderFrames(const std::string& block) {
  std::string frames;
  for (size_t at = 0; at < block.size(); at += kMaxFrameSize) {
    const bool last = at + kMaxFrameSize >= block.size();
    frames += Frame(at == 0 ? kHeaders : kContinuation, last ? kEndHeaders : 0, 1, block.substr(at, kMaxFrameSize));
  }
  return frames;
}

// RFC 7541 section 5.2, without Huffman coding.
std::string HpackString(const std::string& text) {
  std::string encoded;
  size_t size = text.size();
  if (size < 127) {
    encoded.push_back(static_cast<char>(size));
  } else {
    encoded.push_back(127);
    for (size -= 127; size >= 128; size /= 128) encoded.push_back(static_cast<char>(128 + size % 128));
    encoded.push_back(static_cast<char>(size));
  }
  return encoded + text;
}

// RFC 7541 section 6.2.2: literal, not indexed, new name.
std::string HpackField(const std::string& name, const std::string& value) {
  return std::string(1, '\0') + HpackString(name) + HpackString(value);
}

// Whether `bytes`, a sequence of frames, holds one that ends stream 1 or the connection.
bool HasEnd(const std::string& bytes) {
  size_t at = 0;
  while (at + kFrameHeaderSize <= bytes.size()) {
    const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[at + i]); };
    const size_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
    if (at + kFrameHeaderSize + size > bytes.size()) return false;
    const bool ends_stream = (byte(3) == kHeaders || byte(3) == kData) && (byte(4) & kEndStream) != 0;
    if (ends_stream || byte(3) == kResetStream || byte(3) == kGoAway) return true;
    at += kFrameHeaderSize + size;
  }
  return false;
}

}  // namespace

std::string RawHttp2Call(int port, const std::string& path,
                         const std::vector<std::pair<std::string, std::string>>& fields) {
  const int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{.tv_sec = 20, .tv_usec = 0};
  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string response;
  if (connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    std::string headers = HpackField(":method", "POST") + HpackField(":scheme", "http") + HpackField(":path", path) +
                          HpackField(":authority", "localhost") + HpackField("te", "trailers") +
                          HpackField("content-type", "application/grpc");
    for (const auto& [name, value] : fields) headers += HpackField(name, value);
    const std::string request = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(kSettings, 0, 0, "") +
                                HeaderFrames(headers) + Frame(kData, kEndStream, 1, std::string(5, '\0'));
    char buffer[4096];
    size_t sent = 0;
    ssize_t size = 1;
    while (sent < request.size() && size > 0) {  // the server may well refuse before it has read everything
      size = send(connection, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
      if (size > 0) sent += static_cast<size_t>(size);
    }
    size = 1;
    while (size > 0 && !HasEnd(response)) {
      size = recv(connection, buffer, sizeof buffer, 0);
      if (size > 0) response.append(buffer, static_cast<size_t>(size));
    }
  }
  close(connection);
  return response;
}

bool HasGrpcStatus(const std::string& response, int status) {
  return response.find(HpackString("grpc-status") + HpackString(std::to_string(status))) != std::string::npos;
}

}  // namespace watchword
