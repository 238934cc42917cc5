#include "client/command/password.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <iterator>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/command/output.h"

namespace watchword {
namespace {

constexpr size_t kMaxPasswordSize = 1024;
constexpr int kInterrupts[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

// What the signal handler needs; set while a terminal does not echo.
int silent_terminal = -1;
termios settings_before;

extern "C" void RestoreAndDie(int signal) {
  tcsetattr(silent_terminal, TCSANOW, &settings_before);  // async-signal-safe, as the rest here
  std::signal(signal, SIG_DFL);
  raise(signal);
}

absl::Status Unusable(absl::string_view what) {
  return absl::FailedPreconditionError(
      absl::StrCat("cannot ", what, " /dev/tty to ask for the password; use --password-stdin"));
}

// One line, of which no copy stays behind in a buffer.
absl::StatusOr<Secret> ReadLine(int terminal) {
  std::string line;
  line.reserve(kMaxPasswordSize + 1);
  char c = 0;
  while (true) {
    const ssize_t got = read(terminal, &c, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Unusable("read from");
    if (got == 0 || c == '\n') break;
    if (line.size() <= kMaxPasswordSize) line.push_back(c);
  }
  return Secret(std::move(line));
}

void Show(int terminal, absl::string_view text) {
  [[maybe_unused]] const ssize_t put = write(terminal, text.data(), text.size());
}

class Terminal final : public PasswordPrompt {
 public:
  absl::StatusOr<Secret> Ask(const std::string& prompt) override {
    const int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0) return Unusable("open");
    const absl::Cleanup close_it = [terminal] { close(terminal); };
    if (tcgetattr(terminal, &settings_before) != 0) return Unusable("use");
    silent_terminal = terminal;
    struct sigaction restore {
    }, before[std::size(kInterrupts)];
    restore.sa_handler = RestoreAndDie;
    for (size_t i = 0; i < std::size(kInterrupts); ++i) sigaction(kInterrupts[i], &restore, &before[i]);
    termios silent = settings_before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    const absl::Cleanup undo = [terminal, &before] {
      tcsetattr(terminal, TCSANOW, &settings_before);
      for (size_t i = 0; i < std::size(kInterrupts); ++i) sigaction(kInterrupts[i], &before[i], nullptr);
    };
    if (tcsetattr(terminal, TCSAFLUSH, &silent) != 0) return Unusable("use");
    Show(terminal, prompt);
    auto line = ReadLine(terminal);
    Show(terminal, "\n");
    return line;
  }
};

absl::StatusOr<Secret> Checked(Secret password) {
  if (password.empty()) return absl::InvalidArgumentError("the password is empty");
  if (password.Reveal().size() > kMaxPasswordSize) {
    return absl::InvalidArgumentError(absl::StrCat("the password is longer than ", kMaxPasswordSize, " bytes"));
  }
  if (!IsUtf8(password.Reveal())) return absl::InvalidArgumentError("the password is not valid UTF-8");
  return password;
}

// Into memory that can be wiped, unlike a stream's own strings.
std::string ReadAtMost(std::istream& in, size_t size) {
  std::string text(size, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  return text;
}

absl::StatusOr<PasswordChange> ReadPasswordChange(std::istream& in) {
  const Secret both(ReadAtMost(in, 2 * kMaxPasswordSize + 3));
  absl::string_view text = both.Reveal();
  absl::ConsumeSuffix(&text, "\n");
  const size_t end = text.find('\n');
  if (end == absl::string_view::npos) {
    return absl::InvalidArgumentError("standard input must hold two lines: the current password and the new one");
  }
  auto current = Checked(Secret::CopyOf(text.substr(0, end)));
  if (!current.ok()) return current.status();
  auto wanted = Checked(Secret::CopyOf(text.substr(end + 1)));
  if (!wanted.ok()) return wanted.status();
  return PasswordChange{*std::move(current), *std::move(wanted)};
}

}  // namespace

PasswordPrompt& TerminalPrompt() {
  static Terminal terminal;
  return terminal;
}

absl::StatusOr<Secret> ReadPassword(std::istream& in) {
  std::string text = ReadAtMost(in, kMaxPasswordSize + 2);  // with a newline, and one more to see that there is more
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return Checked(Secret(std::move(text)));
}

absl::StatusOr<Secret> GetPassword(bool from_stream, bool confirm, const std::string& username, std::istream& in,
                                   PasswordPrompt& prompt) {
  if (from_stream) return ReadPassword(in);
  auto password = prompt.Ask(absl::StrCat(confirm ? "New password for " : "Password for ", username, ": "));
  if (!password.ok()) return password;
  if (confirm) {
    const auto again = prompt.Ask("The same again: ");
    if (!again.ok()) return again.status();
    if (again->Reveal() != password->Reveal()) return absl::InvalidArgumentError("the two passwords differ");
  }
  return Checked(*std::move(password));
}

absl::StatusOr<PasswordChange> GetPasswordChange(bool from_stream, const std::string& username, std::istream& in,
                                                 PasswordPrompt& prompt) {
  if (from_stream) return ReadPasswordChange(in);
  auto current = GetPassword(false, /*confirm=*/false, username, in, prompt);
  if (!current.ok()) return current.status();
  auto wanted = GetPassword(false, /*confirm=*/true, username, in, prompt);
  if (!wanted.ok()) return wanted.status();
  return PasswordChange{*std::move(current), *std::move(wanted)};
}

}  // namespace watchword
