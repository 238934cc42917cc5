#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "client/command/run.h"

int main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);  // Debian builds it in; it slows gRPC down
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);                    // errors are told once, in words for people
  std::ios::sync_with_stdio(false);
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  return watchword::RunCommand(arguments, {.in = std::cin,
                                           .out = std::cout,
                                           .err = std::cerr,
                                           .prompt = watchword::TerminalPrompt(),
                                           .clock = watchword::SystemClock()});
}
