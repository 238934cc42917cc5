// A store's bare rate of durable writes: one UPDATE by primary key and its commit, again and again, on as many
// connections as are asked for. MySQL's password is read from standard input.
#include <SQLiteCpp/SQLiteCpp.h>
#include <cppconn/connection.h>
#include <cppconn/driver.h>
#include <cppconn/exception.h>
#include <cppconn/prepared_statement.h>
#include <cppconn/statement.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "measure.h"

namespace watchword {
namespace {

// Commits of one thread until `end`, on row `row` of the table.
int WriteSqlite(const std::string& path, int row, absl::Time end) {
  SQLite::Database database(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, /*aBusyTimeoutMs=*/60'000);
  database.exec("PRAGMA journal_mode = WAL");
  database.exec("PRAGMA synchronous = FULL");
  SQLite::Statement update(database, "UPDATE bare SET value = value + 1 WHERE id = ?");
  int done = 0;
  for (; absl::Now() < end; ++done) {
    update.bind(1, row);
    update.exec();
    update.reset();
  }
  return done;
}

int WriteMysql(const std::string& url, const std::string& user, const std::string& password, int row, absl::Time end) {
  sql::Driver* const driver = get_driver_instance();
  driver->threadInit();
  int done = 0;
  {
    const std::unique_ptr<sql::Connection> connection(driver->connect(url, user, password));
    const std::unique_ptr<sql::PreparedStatement> update(
        connection->prepareStatement("UPDATE bare SET value = value + 1 WHERE id = ?"));
    for (; absl::Now() < end; ++done) {
      update->setInt(1, row);
      update->executeUpdate();
    }
  }
  driver->threadEnd();
  return done;
}

int Run(int threads, double seconds, const std::function<int(int row, absl::Time end)>& write) {
  std::atomic<int> done{0};
  std::atomic<bool> failed{false};
  const absl::Time begin = absl::Now(), end = begin + absl::Seconds(seconds);
  std::vector<std::thread> running;
  for (int i = 0; i < threads; ++i) {
    running.emplace_back([&, i] {
      try {
        done += write(i, end);
      } catch (const std::exception& error) {  // of SQLiteCpp and Connector/C++
        std::fprintf(stderr, "commit_bench: %s\n", error.what());
        failed = true;
      }
    });
  }
  for (std::thread& thread : running) thread.join();
  Print({{"per_second", done / absl::ToDoubleSeconds(absl::Now() - begin)}});
  return failed ? 1 : 0;
}

}  // namespace
}  // namespace watchword

int main(int argc, char** argv) {
  int threads = 1;
  double seconds = 2;
  std::string sqlite, mysql, user;
  CLI::App app("Measures bare transactions on the table `bare (id, value)`, whose rows are 0, 1, …");
  auto* const file = app.add_option("--sqlite", sqlite, "The database's file");
  auto* const url = app.add_option("--mysql", mysql, "tcp://HOST:PORT/DATABASE")->excludes(file);
  app.add_option("--user", user, "Of MySQL")->needs(url);
  app.add_option("--threads", threads, "Connections")->capture_default_str();
  app.add_option("--seconds", seconds, "For how long")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (!sqlite.empty()) {
    return watchword::Run(threads, seconds,
                          [&](int row, absl::Time end) { return watchword::WriteSqlite(sqlite, row, end); });
  }
  std::string password;
  std::getline(std::cin, password);
  get_driver_instance();
  return watchword::Run(threads, seconds, [&](int row, absl::Time end) {
    return watchword::WriteMysql(mysql, user, password, row, end);
  });
}
