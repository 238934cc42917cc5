#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"

namespace watchword {

// A promise that must hold for every input: libFuzzer keeps the input that broke it.
inline void Require(bool promise) {
  if (!promise) std::abort();
}

// What one target does with one input.
void Fuzz(absl::string_view input);

}  // namespace watchword

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  watchword::Fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
