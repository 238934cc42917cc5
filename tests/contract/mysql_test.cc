#include <algorithm>
#include <atomic>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "contract.h"
#include "server/store_mysql/database.h"
#include "server/store_mysql/group_revoker.h"
#include "server/store_mysql/mysql_store.h"
#include "server/store_mysql/pool.h"
#include "server/store_mysql/statements.h"
#include "testing/mariadb.h"
#include "watchword/base/clock.h"
#include "watchword/base/deadline.h"
#include "watchword/base/random.h"

namespace watchword {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

// What a store owes to MySQL beside the contract that all have.
class MysqlTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(MigrateMysql(database_.options(), SystemClock(), SystemRandom()), IsOk());
    store_ = Open();
  }

  std::unique_ptr<Store> Open(size_t connections = 8) {
    MysqlOptions options = database_.options();
    options.connections = connections;
    auto store = OpenMysqlStore(options, SystemClock(), SystemRandom(), StderrLogger());
    EXPECT_THAT(store, IsOk());
    return store.ok() ? *std::move(store) : nullptr;
  }

  PrincipalRecord AddPrincipal(std::string name) {
    PrincipalRecord principal;
    principal.id = *Uuid::NewV7(now_, SystemRandom());
    principal.name = std::move(name);
    principal.created_at = now_;
    EXPECT_THAT(store_->users().Create(principal), IsOk());
    return principal;
  }
  PrincipalRecord AddAlice() { return AddPrincipal("alice"); }

  SessionRecord AddSession(const PrincipalRecord& principal) {
    SessionRecord session;
    session.created_at = now_ + absl::Hours(1);
    session.id = *Uuid::NewV7(session.created_at, SystemRandom());
    session.principal = principal.id;
    session.binding = std::string(32, 'b');
    session.rotated_at = session.last_used_at = session.created_at;
    session.idle_expires_at = session.expires_at = now_ + absl::Hours(24);
    EXPECT_THAT(store_->sessions().Create(session, principal.credential_version), IsOk());
    return session;
  }

  // The ids of this store's connections.
  std::vector<std::string> Connections() {
    return absl::StrSplit(database_.Sql(absl::StrCat("SELECT ID FROM information_schema.PROCESSLIST WHERE DB = '",
                                                     database_.name(), "' AND ID <> CONNECTION_ID()")),
                          '\n', absl::SkipEmpty());
  }
  void KillAllConnections() {
    for (const std::string& id : Connections()) database_.Sql(absl::StrCat("KILL ", id));
  }

  static Uuid Id(char c) { return *Uuid::FromBytes(std::string(16, c)); }

  const absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  MariaDbDatabase database_;
  std::unique_ptr<Store> store_;
};

// A statement with plausible values in place of its parameters, so that EXPLAIN sees what types are compared.
std::string WithValues(const std::string& text) {
  std::string filled = absl::StrReplaceAll(text, {{"LIMIT ?", "LIMIT 10"},
                                                  {"name > ?", "name > 'user-8'"},
                                                  {"> ?", "> 5"},
                                                  {"< ?", "< 5"},
                                                  {"generation = ?", "generation = 5"},
                                                  {"seq = ?", "seq = 5"},
                                                  {"credential_version = ?", "credential_version = 5"}});
  return absl::StrReplaceAll(filled, {{"?", "UNHEX('00112233445566778899AABBCCDDEEFF')"}});
}

// Tables that never have more than a handful of rows.
bool IsSmall(absl::string_view table) {
  return table == "replicas" || table == "leases" || table == "signing_keys" || table == "revocation_sequencer";
}

TEST_F(MysqlTest, EveryStatementFindsItsRowsThroughAnIndex) {
  const PrincipalRecord alice = AddAlice();
  for (int i = 0; i < 50; ++i) {  // so many that reading all of them is not the cheapest way
    AddSession(alice);
    AddPrincipal(absl::StrCat("user-", i));
  }
  database_.Sql("ANALYZE TABLE principals, sessions, revocations");
  std::vector<std::string> texts;
  for (size_t i = 0; i < mysql::kSqlCount; ++i) texts.push_back(mysql::TextOf(static_cast<mysql::Sql>(i)));
  texts.push_back(mysql::TextOf(mysql::RowsSql::kSessionsToRevoke, 3));
  size_t looked_up = 0;
  for (const std::string& text : texts) {
    ASSERT_FALSE(text.empty());
    if (absl::StartsWith(text, "INSERT") && !absl::StrContains(text, "SELECT")) continue;  // looks for nothing
    const std::string plan = database_.Sql(absl::StrCat("EXPLAIN ", WithValues(text)));
    for (const std::string& row : std::vector<std::string>(absl::StrSplit(plan, '\n', absl::SkipEmpty()))) {
      // id, select_type, table, [of MySQL: partitions,] type, possible_keys, key, …
      std::vector<std::string> columns = absl::StrSplit(row, '\t');
      ASSERT_GE(columns.size(), 10u) << row;
      if (columns.size() == 12) columns.erase(columns.begin() + 3);
      if (columns[2] == "NULL" || IsSmall(columns[2])) continue;
      ++looked_up;
      EXPECT_NE(columns[3], "ALL") << "reads the whole table: " << text << "\n" << plan;
      EXPECT_NE(columns[5], "NULL") << "uses no index: " << text << "\n" << plan;
    }
  }
  EXPECT_GE(looked_up, 13u);
}

TEST_F(MysqlTest, LeaseIsHeldByOneUntilItExpires) {
  Replicas& replicas = *store_->replicas();
  EXPECT_TRUE(*replicas.AcquireLease("janitor", Id('a'), absl::Hours(1)));
  EXPECT_FALSE(*replicas.AcquireLease("janitor", Id('b'), absl::Hours(1)));
  EXPECT_TRUE(*replicas.AcquireLease("janitor", Id('a'), absl::Hours(2))) << "prolonged";
  EXPECT_TRUE(*replicas.AcquireLease("other", Id('b'), absl::Hours(1))) << "another name";
  database_.Sql("UPDATE leases SET until = until - 7200000000 WHERE name = 'janitor'");
  EXPECT_TRUE(*replicas.AcquireLease("janitor", Id('b'), absl::Hours(1)));
  EXPECT_FALSE(*replicas.AcquireLease("janitor", Id('a'), absl::Hours(1)));
}

TEST_F(MysqlTest, LeaseThatManyWantIsGivenToOne) {
  for (int round = 0; round < 10; ++round) {
    std::atomic<int> holders = 0;
    InParallel(8, [&](int i) {
      const std::string name = absl::StrCat("lease", round);
      holders += *store_->replicas()->AcquireLease(name, Id(static_cast<char>('a' + i)), absl::Hours(1)) ? 1 : 0;
    });
    EXPECT_EQ(holders, 1);
  }
}

TEST_F(MysqlTest, ReplicasHearWhatTheOthersReport) {
  Replicas& replicas = *store_->replicas();
  const std::string report("live \0 1\n", 9);
  ASSERT_THAT(replicas.Report(Id('a'), "old"), IsOk());
  ASSERT_THAT(replicas.Report(Id('a'), report), IsOk());
  ASSERT_THAT(replicas.Report(Id('b'), ""), IsOk());
  auto peers = replicas.Peers(Id('b'), absl::Minutes(1));
  ASSERT_THAT(peers, IsOk());
  ASSERT_THAT(*peers, SizeIs(1));
  EXPECT_EQ(peers->front().replica, Id('a'));
  EXPECT_EQ(peers->front().report, report);
  EXPECT_GE(peers->front().age, absl::ZeroDuration());
  EXPECT_LT(peers->front().age, absl::Minutes(1));
  database_.Sql("UPDATE replicas SET reported_at = reported_at - 60000000 WHERE report <> ''");
  EXPECT_THAT(*replicas.Peers(Id('b'), absl::Minutes(1)), SizeIs(0));
  EXPECT_THAT(*replicas.Peers(Id('a'), absl::Minutes(1)), SizeIs(1));
  EXPECT_EQ(database_.Sql("SELECT COUNT(*) FROM replicas"), "1\n") << "what is too old was deleted";
}

TEST_F(MysqlTest, ConnectionsThatWereKilledAreReplacedWithoutAnError) {
  const PrincipalRecord alice = AddAlice();
  InParallel(8, [&](int) { EXPECT_THAT(store_->users().Find(alice.id), IsOk()); });
  ASSERT_GT(Connections().size(), 1u);
  KillAllConnections();
  InParallel(8, [&](int) { EXPECT_THAT(store_->users().Find(alice.id), IsOk()); });
  KillAllConnections();
  InParallel(8, [&](int i) {
    const SessionRecord session = AddSession(alice);
    EXPECT_THAT(store_->sessions().Revoke(session.id, now_, now_ + absl::Hours(i + 1)), IsOk());
  });
  EXPECT_THAT(*store_->revocations().ReadAfter(0, 100), SizeIs(8));
}

TEST_F(MysqlTest, NoMoreConnectionsAreOpenedThanAllowed) {
  store_ = Open(/*connections=*/3);
  const PrincipalRecord alice = AddAlice();
  InParallel(16, [&](int) {
    for (int i = 0; i < 10; ++i) EXPECT_THAT(store_->users().Find(alice.id), IsOk());
  });
  EXPECT_LE(Connections().size(), 3u);
}

TEST_F(MysqlTest, WhoeverCannotHaveAConnectionInTimeIsToldSo) {
  MysqlOptions options = database_.options();
  options.connections = 1;
  mysql::ConnectionPool pool(options, SystemClock(), StderrLogger());
  {
    const auto held = pool.Acquire(absl::InfiniteFuture());
    ASSERT_THAT(held, IsOk());
    const auto refused = pool.Acquire(SystemClock().Now() + absl::Milliseconds(50));
    EXPECT_THAT(refused, HasCode(absl::StatusCode::kUnavailable));
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("connections are in use"));
  }
  EXPECT_THAT(pool.Acquire(SystemClock().Now() + absl::Seconds(10)), IsOk());
  EXPECT_EQ(pool.open(), 1u);
}

TEST_F(MysqlTest, SecondOfTwoThatDeadlockRunsAgain) {
  const PrincipalRecord alice = AddAlice();
  // SetPassword locks the principal, then the sequencer; somebody else does it the other way round.
  database_.Sql(
      "DELIMITER //\n"
      "CREATE PROCEDURE collide() BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION ROLLBACK; START TRANSACTION; "
      "SELECT seq INTO @a FROM revocation_sequencer FOR UPDATE; DO SLEEP(0.005); "
      "SELECT kind INTO @b FROM principals WHERE name = 'alice' FOR UPDATE; COMMIT; END //");
  std::atomic<bool> done = false;
  InParallel(2, [&](int i) {
    if (i == 0) {
      for (int round = 0; round < 20; ++round) {
        EXPECT_THAT(store_->users().SetPassword(alice.id, absl::StrCat("hash", round), now_, now_ + absl::Hours(1)),
                    IsOk());
      }
      done = true;
      return;
    }
    while (!done) {
      // Loses some of the deadlocks itself, and goes on.
      database_.Sql("CALL collide()");
    }
  });
  EXPECT_EQ(store_->users().Find(alice.id)->credential_version, alice.credential_version + 20) << "each once";
  EXPECT_THAT(*store_->revocations().ReadAfter(0, 100), SizeIs(20));
}

TEST_F(MysqlTest, RevocationsOfManyShareTransactions) {
  constexpr int kCallers = 20;
  const PrincipalRecord alice = AddAlice();
  std::vector<SessionRecord> sessions;
  for (int i = 0; i < kCallers; ++i) sessions.push_back(AddSession(alice));
  MysqlOptions options = database_.options();
  options.connections = 1;  // which counts its commits
  mysql::ConnectionPool pool(options, SystemClock(), StderrLogger());
  mysql::Database database(pool, SystemClock(), SystemRandom());
  mysql::GroupRevoker revoker(database);
  const auto commits = [&] {
    const auto lease = pool.Acquire(absl::InfiniteFuture());
    return std::stoi((**lease).Value("SHOW SESSION STATUS LIKE 'Com_commit'", 2).value_or("-1"));
  };
  ASSERT_EQ(commits(), 0);
  std::atomic<int> calling = 0;
  InParallel(kCallers + 1, [&](int i) {
    if (i == kCallers) {  // the first waits for the connection, and the others for the first
      const auto held = pool.Acquire(absl::InfiniteFuture());
      while (calling < kCallers) std::this_thread::yield();
      return;
    }
    ++calling;
    const auto outcome = revoker.Revoke(sessions[static_cast<size_t>(i)].id, now_, now_ + absl::Hours(1));
    ASSERT_THAT(outcome, IsOk());
    EXPECT_TRUE(outcome->newly_revoked);
  });
  EXPECT_LE(commits(), kCallers / 2);
  const auto log = *store_->revocations().ReadAfter(0, 1000);
  ASSERT_THAT(log, SizeIs(kCallers));
  std::set<std::string> targets;
  for (size_t i = 0; i < log.size(); ++i) {
    EXPECT_EQ(log[i].seq, i + 1);
    targets.insert(log[i].target.ToString());
  }
  EXPECT_THAT(targets, SizeIs(kCallers));
}

TEST_F(MysqlTest, SameSessionTwiceInOneGroupIsRevokedOnce) {
  const PrincipalRecord alice = AddAlice();
  for (int round = 0; round < 10; ++round) {
    const SessionRecord session = AddSession(alice);
    std::atomic<int> newly = 0, missing = 0;
    InParallel(12, [&](int i) {
      if (i == 0) {
        missing += absl::IsNotFound(store_->sessions().Revoke(Id('x'), now_, now_).status()) ? 1 : 0;
        return;
      }
      newly += store_->sessions().Revoke(session.id, now_, now_ + absl::Hours(1))->newly_revoked ? 1 : 0;
    });
    EXPECT_EQ(newly, 1);
    EXPECT_EQ(missing, 1);
  }
}

TEST_F(MysqlTest, NamesAndHashesComeBackByteByByte) {
  PrincipalRecord user = AddAlice();
  for (const std::string& name :
       {std::string("\xf0\x9f\x94\x91"), std::string("a "), std::string("a"), std::string("A"), std::string("\xc3\xa9"),
        std::string("e\xcc\x81"), std::string("\xff\xfe")}) {
    user.id = *Uuid::NewV7(now_, SystemRandom());
    user.name = name;
    ASSERT_THAT(store_->users().Create(user), IsOk()) << name;
    EXPECT_EQ(store_->users().FindByName(name)->id, user.id);
    EXPECT_EQ(store_->users().FindByName(name)->name, name);
  }
}

}  // namespace
}  // namespace watchword
