#include "testing/mariadb.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "absl/strings/str_cat.h"

namespace watchword {
namespace {

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::abort();
}

std::string Socket() {
  const char* const folder = std::getenv("WATCHWORD_TEST_MARIADB");
  if (folder == nullptr)
    Die("WATCHWORD_TEST_MARIADB is not set: run the tests with ctest, or start a server with mariadb.py");
  std::array<char, 4096> path;  // the folder is a link to a shorter one: sockets have short names
  if (realpath(folder, path.data()) == nullptr) Die(absl::StrCat("there is no MariaDB in ", folder));
  return absl::StrCat(path.data(), "/socket");
}

std::string Client(const std::string& database) {
  return absl::StrCat("mariadb --no-defaults --batch --unbuffered --skip-column-names --user=root --socket=", Socket(),
                      " ", database);
}

std::string RunClient(absl::string_view statements, const std::string& database) {
  std::string file = "/tmp/watchword-sql-XXXXXX";
  const int descriptor = mkstemp(file.data());
  if (descriptor < 0 ||
      write(descriptor, statements.data(), statements.size()) != static_cast<ssize_t>(statements.size())) {
    Die("cannot write statements to a file");
  }
  close(descriptor);
  const std::string command = absl::StrCat(Client(database), " < ", file, " 2>&1");
  FILE* const client = popen(command.c_str(), "r");
  if (client == nullptr) Die("cannot run the program mariadb");
  std::string output;
  std::array<char, 4096> buffer;
  while (const size_t size = fread(buffer.data(), 1, buffer.size(), client)) output.append(buffer.data(), size);
  const int code = pclose(client);
  unlink(file.c_str());
  if (code != 0) Die(absl::StrCat("mariadb failed: ", output));
  return output;
}

}  // namespace

MariaDbDatabase::MariaDbDatabase() {
  static std::atomic<int> count = 0;
  name_ = absl::StrCat("test_", getpid(), "_", ++count);
  RunClient(absl::StrCat("CREATE DATABASE ", name_), "");
}

MariaDbDatabase::~MariaDbDatabase() { RunClient(absl::StrCat("DROP DATABASE ", name_), ""); }

MysqlOptions MariaDbDatabase::options() const {
  return {.socket = Socket(), .user = "root", .database = name_, .connections = 16};
}

std::string MariaDbDatabase::Sql(absl::string_view statements) const { return RunClient(statements, name_); }

}  // namespace watchword
