#pragma once

#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace watchword {

// Bytes that nobody may see by accident: cannot be printed, compared with == or copied, and are wiped when done.
// Thread-compatible.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string bytes) : bytes_(std::move(bytes)) {}
  // A wiping copy of somebody else's bytes.
  static Secret CopyOf(absl::string_view bytes) { return Secret(std::string(bytes)); }
  ~Secret() { Wipe(bytes_); }

  Secret(Secret&& other) noexcept { *this = std::move(other); }
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  // The bytes, valid as long as this object. Take care where they go.
  absl::string_view Reveal() const { return bytes_; }
  bool empty() const { return bytes_.empty(); }

  // Overwrites `bytes` in memory, in a way the compiler cannot leave out, and empties it.
  static void Wipe(std::string& bytes);

 private:
  std::string bytes_;
};

// Whether `a` equals `b`, in a time that depends on their sizes only.
bool EqualInConstantTime(absl::string_view a, absl::string_view b);

}  // namespace watchword
