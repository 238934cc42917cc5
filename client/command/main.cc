#include <openssl/crypto.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "client/command/run.h"

int main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);  // Debian builds it in; it slows gRPC down
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);                    // errors are told once, in words for people
  OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr);                 // threads of gRPC may still use it at exit
  std::ios::sync_with_stdio(false);
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  return watchword::RunCommand(arguments, {.in = std::cin,
                                           .out = std::cout,
                                           .err = std::cerr,
                                           .prompt = watchword::TerminalPrompt(),
                                           .clock = watchword::SystemClock()});
}
