#pragma once

#include <string>
#include <utility>
#include <vector>

#include "client/command/password.h"

namespace watchword {

// A person who types these passwords, one after the other.
class ScriptedPrompt final : public PasswordPrompt {
 public:
  explicit ScriptedPrompt(std::vector<std::string> answers) : answers_(std::move(answers)) {}

  absl::StatusOr<Secret> Ask(const std::string&) override {
    if (asked_ >= answers_.size()) return absl::FailedPreconditionError("no terminal");
    return Secret::CopyOf(answers_[asked_++]);
  }

  int asked() const { return static_cast<int>(asked_); }

 private:
  const std::vector<std::string> answers_;
  size_t asked_ = 0;
};

}  // namespace watchword
