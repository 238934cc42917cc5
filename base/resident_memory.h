#pragma once

#include <cstddef>

namespace watchword {

// What the process has in memory (its resident set), in bytes; 0 if the system does not say.
size_t ResidentBytes();

}  // namespace watchword
