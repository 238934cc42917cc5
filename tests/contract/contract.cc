#include "contract.h"

#include <barrier>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/store_mysql/mysql_store.h"
#include "server/store_sqlite/sqlite_store.h"
#include "testing/mariadb.h"
#include "testing/temporary_folder.h"
#include "watchword/base/random.h"

namespace watchword {
namespace {

class SqliteTestDatabase final : public TestDatabase {
 public:
  absl::StatusOr<std::unique_ptr<Store>> Open() override {
    return OpenSqliteStore(folder_.path() + "/store.db", SystemRandom());
  }

 private:
  TemporaryFolder folder_;
};

class MysqlTestDatabase final : public TestDatabase {
 public:
  absl::StatusOr<std::unique_ptr<Store>> Open() override {
    if (auto status = MigrateMysql(database_.options(), SystemClock(), SystemRandom()); !status.ok()) return status;
    return OpenMysqlStore(database_.options(), SystemClock(), SystemRandom(), StderrLogger());
  }

 private:
  MariaDbDatabase database_;
};

}  // namespace

const std::vector<Backend>& Backends() {
  static const auto* const backends =
      new std::vector<Backend>{{"Sqlite", [] { return std::make_unique<SqliteTestDatabase>(); }},
                               {"Mysql", [] { return std::make_unique<MysqlTestDatabase>(); }}};
  return *backends;
}

std::string BackendName(const testing::TestParamInfo<Backend>& info) { return info.param.name; }

void StoreContract::SetUp() {
  database_ = GetParam().make_empty();
  Reopen();
}

void StoreContract::Reopen() {
  store_.reset();
  auto store = database_->Open();
  ASSERT_THAT(store, IsOk());
  store_ = *std::move(store);
}

Uuid StoreContract::NewId(absl::Time time) { return *Uuid::NewV7(time, SystemRandom()); }

PrincipalRecord StoreContract::NewPrincipal(const std::string& name) {
  PrincipalRecord principal;
  principal.id = NewId(now_);
  principal.name = name;
  principal.password_hash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA";
  principal.scopes = {"orders.read", "orders.write"};
  principal.created_at = now_ - absl::Hours(1);
  return principal;
}

SessionRecord StoreContract::NewSession(const PrincipalRecord& principal, absl::Time created_at) {
  SessionRecord session;
  session.id = NewId(created_at);
  session.principal = principal.id;
  session.binding = std::string(32, 'b');
  session.rotated_at = created_at;
  session.created_at = created_at;
  session.last_used_at = created_at;
  session.idle_expires_at = created_at + absl::Hours(12);
  session.expires_at = created_at + absl::Hours(168);
  session.audiences = {"orders"};
  session.scopes = {"orders.read"};
  return session;
}

PrincipalRecord StoreContract::AddPrincipal(const std::string& name) {
  PrincipalRecord principal = NewPrincipal(name);
  EXPECT_THAT(users().Create(principal), IsOk());
  return principal;
}

SessionRecord StoreContract::AddSession(const PrincipalRecord& principal, absl::Time created_at) {
  SessionRecord session = NewSession(principal, created_at);
  EXPECT_THAT(sessions().Create(session, principal.credential_version), IsOk());
  return session;
}

std::vector<RevocationRecord> StoreContract::Log() {
  auto log = revocations().ReadAfter(0, 1'000'000);
  EXPECT_THAT(log, IsOk());
  return log.ok() ? *std::move(log) : std::vector<RevocationRecord>();
}

void InParallel(int count, const std::function<void(int)>& work) {
  std::barrier start(count);
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&start, &work, i] {
      start.arrive_and_wait();
      work(i);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void ExpectEqual(const PrincipalRecord& a, const PrincipalRecord& b) {
  EXPECT_EQ(a.id.ToString(), b.id.ToString());
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.password_hash, b.password_hash);
  EXPECT_EQ(a.scopes, b.scopes);
  EXPECT_EQ(a.disabled, b.disabled);
  EXPECT_EQ(a.credential_version, b.credential_version);
  EXPECT_EQ(a.created_at, b.created_at);
  EXPECT_EQ(a.sessions_revoked_until, b.sessions_revoked_until);
}

void ExpectEqual(const SessionRecord& a, const SessionRecord& b) {
  EXPECT_EQ(a.id.ToString(), b.id.ToString());
  EXPECT_EQ(a.principal.ToString(), b.principal.ToString());
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(a.token_digest, b.token_digest);
  EXPECT_EQ(a.binding, b.binding);
  EXPECT_EQ(a.generation, b.generation);
  EXPECT_EQ(a.rotated_at, b.rotated_at);
  EXPECT_EQ(a.created_at, b.created_at);
  EXPECT_EQ(a.last_used_at, b.last_used_at);
  EXPECT_EQ(a.idle_expires_at, b.idle_expires_at);
  EXPECT_EQ(a.expires_at, b.expires_at);
  EXPECT_EQ(a.audiences, b.audiences);
  EXPECT_EQ(a.scopes, b.scopes);
  EXPECT_EQ(a.include_username, b.include_username);
  EXPECT_EQ(a.revoked_at, b.revoked_at);
}

void ExpectEqual(const RevocationRecord& a, const RevocationRecord& b) {
  EXPECT_EQ(a.seq, b.seq);
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(a.target.ToString(), b.target.ToString());
  EXPECT_EQ(a.key_id, b.key_id);
  EXPECT_EQ(a.began_until, b.began_until);
  EXPECT_EQ(a.created_at, b.created_at);
  EXPECT_EQ(a.expires_at, b.expires_at);
}

}  // namespace watchword
