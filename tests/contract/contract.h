#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/store/store.h"
#include "testing/status_matchers.h"

namespace watchword {

// A database that one test has for itself.
class TestDatabase {
 public:
  virtual ~TestDatabase() = default;

  // Opens it as a server does at start; again and again, but one store at a time.
  virtual absl::StatusOr<std::unique_ptr<Store>> Open() = 0;
};

// An implementation that must pass the suite.
struct Backend {
  std::string name;
  std::function<std::unique_ptr<TestDatabase>()> make_empty;
};
inline void PrintTo(const Backend& backend, std::ostream* out) { *out << backend.name; }

const std::vector<Backend>& Backends();
std::string BackendName(const testing::TestParamInfo<Backend>& info);

#define INSTANTIATE_FOR_ALL_STORES(suite) \
  INSTANTIATE_TEST_SUITE_P(Stores, suite, testing::ValuesIn(Backends()), BackendName)

inline constexpr absl::Duration kTick = absl::Microseconds(1);  // the resolution of stored times

// A fresh store, and records to fill it with. Each record is as usual unless a test changes it.
class StoreContract : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override;

  UserStore& users() { return store_->users(); }
  SessionStore& sessions() { return store_->sessions(); }
  RevocationLog& revocations() { return store_->revocations(); }
  KeyStore& keys() { return store_->keys(); }

  // Closes the store and opens it again.
  void Reopen();

  Uuid NewId(absl::Time time);
  PrincipalRecord NewPrincipal(const std::string& name);
  SessionRecord NewSession(const PrincipalRecord& principal, absl::Time created_at);

  // Stores a new one; fails the test if that fails.
  PrincipalRecord AddPrincipal(const std::string& name);
  SessionRecord AddSession(const PrincipalRecord& principal, absl::Time created_at);
  SessionRecord AddSession(const PrincipalRecord& principal) { return AddSession(principal, now_); }

  // What is in the log, from the start.
  std::vector<RevocationRecord> Log();

  const absl::Time now_ = absl::FromUnixMillis(1'800'000'000'123);
  const absl::Time forget_at_ = now_ + absl::Hours(2);  // when revocations expire
  std::unique_ptr<TestDatabase> database_;
  std::unique_ptr<Store> store_;
};

// Runs `work(i)` on `count` threads at once and waits for them.
void InParallel(int count, const std::function<void(int)>& work);

// Fail unless all fields are equal.
void ExpectEqual(const PrincipalRecord& a, const PrincipalRecord& b);
void ExpectEqual(const SessionRecord& a, const SessionRecord& b);
void ExpectEqual(const RevocationRecord& a, const RevocationRecord& b);

}  // namespace watchword
