#include <SQLiteCpp/Database.h>
#include <signal.h>
#include <sys/prctl.h>

#include <array>
#include <map>
#include <thread>
#include <vector>

#include "faulty_disk.h"
#include "sqlite_fixture.h"

namespace watchword {
namespace {

constexpr auto kUnavailable = absl::StatusCode::kUnavailable;
constexpr auto kDataLoss = absl::StatusCode::kDataLoss;

class SqliteFaultsTest : public SqliteTest {
 protected:
  void OpenAndFill() {
    store_ = OpenOrDie();
    alice_ = AddAlice(*store_);
    session_ = AddSession(*store_, alice_);
  }

  absl::Status Revoke() { return store_->sessions().Revoke(session_.id, now_, forget_at_).status(); }
  bool IsRevoked() { return store_->sessions().Find(session_.id)->revoked(); }
  uint64_t HeadSeq() { return store_->revocations().GetHead()->seq; }

  FaultyDisk disk_;  // outlives the store
  std::unique_ptr<Store> store_;
  PrincipalRecord alice_;
  SessionRecord session_;
};

TEST_F(SqliteFaultsTest, FullDiskRefusesWritesServesReadsAndRecoversWithoutARestart) {
  OpenAndFill();
  for (const int code : {SQLITE_FULL, SQLITE_IOERR_WRITE}) {
    disk_.FailWrites(code);
    EXPECT_THAT(Revoke(), HasCode(kUnavailable));
    EXPECT_THAT(TryAddSession(*store_, alice_), HasCode(kUnavailable));
    EXPECT_THAT(store_->sessions().Rotate(session_.id, 0, now_, now_), HasCode(kUnavailable));
    EXPECT_THAT(store_->users().FindByName("alice"), IsOk());
    EXPECT_FALSE(IsRevoked());
    EXPECT_EQ(HeadSeq(), 0u);
    disk_.Heal();
  }
  EXPECT_THAT(store_->Ping(), IsOk());
  EXPECT_THAT(Revoke(), IsOk());
  store_.reset();
  store_ = OpenOrDie();
  EXPECT_TRUE(IsRevoked());
  EXPECT_EQ(HeadSeq(), 1u);
}

TEST_F(SqliteFaultsTest, DiskThatFillsUpWithinATransactionLeavesNoneOfIt) {
  OpenAndFill();
  int good_writes = 0;
  for (; !IsRevoked() && good_writes < 100; ++good_writes) {
    disk_.FailWrites(SQLITE_FULL, good_writes);
    const absl::Status revoked = Revoke();
    disk_.Heal();
    EXPECT_EQ(revoked.ok(), IsRevoked());
    EXPECT_EQ(HeadSeq(), IsRevoked() ? 1u : 0u);
    EXPECT_EQ(store_->revocations().ReadAfter(0, 10)->size(), HeadSeq());
  }
  EXPECT_GT(good_writes, 2);
  EXPECT_TRUE(IsRevoked());
}

TEST_F(SqliteFaultsTest, AfterAFailedFsyncNothingIsWrittenUntilARestart) {
  OpenAndFill();
  disk_.FailSyncs(SQLITE_IOERR_FSYNC);
  EXPECT_THAT(Revoke(), HasCode(kDataLoss));
  disk_.Heal();  // the kernel forgets the error; the pages may be gone
  EXPECT_THAT(Revoke(), HasCode(kDataLoss));
  EXPECT_THAT(TryAddSession(*store_, alice_), HasCode(kDataLoss));
  EXPECT_THAT(store_->Ping(), HasCode(kDataLoss));
  EXPECT_FALSE(IsRevoked());
  EXPECT_THAT(store_->users().FindByName("alice"), IsOk());

  store_.reset();
  store_ = OpenOrDie();
  EXPECT_THAT(store_->Ping(), IsOk());
  EXPECT_THAT(store_->sessions().Find(session_.id), IsOk());
  EXPECT_THAT(Revoke(), IsOk());
}

TEST_F(SqliteFaultsTest, LockOfAnotherProgramMakesWritesUnavailableAfterABoundedWait) {
  OpenAndFill();
  {
    SQLite::Database shell(path_, SQLite::OPEN_READWRITE);
    shell.exec("BEGIN IMMEDIATE");
    EXPECT_THAT(Revoke(), HasCode(kUnavailable));
    EXPECT_THAT(store_->Ping(), HasCode(kUnavailable));
    EXPECT_FALSE(IsRevoked());
    shell.exec("ROLLBACK");
  }
  EXPECT_THAT(store_->Ping(), IsOk());
  EXPECT_THAT(Revoke(), IsOk());
}

TEST_F(SqliteFaultsTest, DamageMetWhileRunningIsDataLoss) {
  OpenAndFill();
  {
    SQLite::Database shell(path_, SQLite::OPEN_READWRITE);
    shell.exec("DELETE FROM revocation_sequencer");
  }
  EXPECT_THAT(store_->revocations().GetHead(), HasCode(kDataLoss));
  EXPECT_THAT(Revoke(), HasCode(kDataLoss));
  EXPECT_FALSE(IsRevoked());
}

// What the child has been told is done: a revocation with its seq, or a rotation to a generation.
struct Acknowledgement {
  enum class What : uint64_t { kRevoked, kRotated };
  What what;
  uint64_t number;
  std::array<char, Uuid::kSize> session;
};

class SqliteKillTest : public SqliteTest {
 protected:
  static void Acknowledge(int pipe, Acknowledgement::What what, uint64_t number, const Uuid& session) {
    Acknowledgement done{what, number, {}};
    session.bytes().copy(done.session.data(), Uuid::kSize);
    if (write(pipe, &done, sizeof(done)) != sizeof(done)) _exit(1);  // in one piece: it is less than PIPE_BUF
  }

  // Revokes and rotates until it is killed.
  [[noreturn]] void Work(int pipe) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    auto store = OpenOrDie();
    const PrincipalRecord alice = *store->users().FindByName("alice");
    std::thread rotate([&] {
      const Uuid session = AddSession(*store, alice).id;
      for (int64_t generation = 0;; ++generation) {
        if (!store->sessions().Rotate(session, generation, now_, now_ + absl::Hours(1)).value()) _exit(1);
        Acknowledge(pipe, Acknowledgement::What::kRotated, static_cast<uint64_t>(generation) + 1, session);
      }
    });
    for (;;) {
      const Uuid session = AddSession(*store, alice).id;
      const uint64_t seq = store->sessions().Revoke(session, now_, forget_at_)->revocation.seq;
      Acknowledge(pipe, Acknowledgement::What::kRevoked, seq, session);
    }
  }

  // Lets a child work, kills it after `count` acknowledgements, and returns those and all that came until it was dead.
  std::vector<Acknowledgement> KillAfter(int count) {
    std::array<int, 2> ends;
    EXPECT_EQ(pipe(ends.data()), 0);
    const pid_t child = fork();
    EXPECT_GE(child, 0);
    if (child == 0) {
      close(ends[0]);
      Work(ends[1]);
    }
    close(ends[1]);
    std::vector<Acknowledgement> done;
    Acknowledgement next;
    while (read(ends[0], &next, sizeof(next)) == sizeof(next)) {
      done.push_back(next);
      if (done.size() == static_cast<size_t>(count)) kill(child, SIGKILL);
    }
    close(ends[0]);
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status));
    return done;
  }

  void ExpectKept(Store& store, const std::vector<Acknowledgement>& acknowledged) {
    auto log = store.revocations().ReadAfter(0, 1'000'000);
    ASSERT_THAT(log, IsOk());
    for (size_t i = 0; i < log->size(); ++i) ASSERT_EQ((*log)[i].seq, i + 1);
    ASSERT_EQ(store.revocations().GetHead()->seq, log->size());
    for (const RevocationRecord& revocation : *log) {
      EXPECT_TRUE(store.sessions().Find(revocation.target)->revoked());
    }
    for (const Acknowledgement& done : acknowledged) {
      const Uuid id = *Uuid::FromBytes(absl::string_view(done.session.data(), done.session.size()));
      auto view = store.sessions().Find(id);
      ASSERT_THAT(view, IsOk());
      if (done.what == Acknowledgement::What::kRotated) {
        EXPECT_GE(view->session.generation, static_cast<int64_t>(done.number));
      } else {
        ASSERT_LE(done.number, log->size());
        EXPECT_EQ((*log)[done.number - 1].target, id);
        EXPECT_TRUE(view->revoked());
      }
    }
  }
};

TEST_F(SqliteKillTest, WhatWasAcknowledgedSurvivesSigkill) {
  {
    auto store = OpenOrDie();
    AddAlice(*store);
  }
  std::vector<Acknowledgement> acknowledged;
  for (int round = 0; round < 20; ++round) {
    const auto done = KillAfter(1 + round);
    EXPECT_GE(done.size(), 1u + static_cast<size_t>(round));
    acknowledged.insert(acknowledged.end(), done.begin(), done.end());
    auto store = OpenOrDie();
    ExpectKept(*store, acknowledged);
  }
}

}  // namespace
}  // namespace watchword
