#pragma once

#include <cstddef>

namespace watchword {

// Lets the process have as many files and connections open as it may: raises the soft limit (RLIMIT_NOFILE), which is
// often 1,024 for the sake of programs that use select(2), to the hard one. gRPC stops accepting connections for good
// when it meets the limit.
void RaiseFileLimit();

// What the process may have open and has, for metrics; 0 if the system does not say.
size_t MaxOpenFiles();
size_t OpenFiles();

}  // namespace watchword
