#include "absl/strings/str_cat.h"
#include "contract.h"

namespace watchword {
namespace {

using testing::ElementsAre;

class UserStoreContract : public StoreContract {
 protected:
  std::vector<std::string> NamesAfter(absl::string_view after, size_t limit) {
    std::vector<std::string> names;
    auto listed = users().List(after, limit);
    EXPECT_THAT(listed, IsOk());
    if (listed.ok()) {
      for (const PrincipalRecord& principal : *listed) names.push_back(principal.name);
    }
    return names;
  }
};
INSTANTIATE_FOR_ALL_STORES(UserStoreContract);

TEST_P(UserStoreContract, WhatWasCreatedIsFoundByNameAndById) {
  PrincipalRecord alice = NewPrincipal("alice");
  alice.credential_version = 7;
  alice.created_at = now_ + kTick;
  alice.sessions_revoked_until = now_ - kTick;
  ASSERT_THAT(users().Create(alice), IsOk());
  AddPrincipal("bob");
  Reopen();
  auto by_name = users().FindByName("alice");
  auto by_id = users().Find(alice.id);
  ASSERT_THAT(by_name, IsOk());
  ASSERT_THAT(by_id, IsOk());
  ExpectEqual(*by_name, alice);
  ExpectEqual(*by_id, alice);
}

TEST_P(UserStoreContract, UnknownPrincipalIsNotFound) {
  const Uuid nobody = NewId(now_);
  EXPECT_THAT(users().FindByName("nobody"), HasCode(absl::StatusCode::kNotFound));
  EXPECT_THAT(users().Find(nobody), HasCode(absl::StatusCode::kNotFound));
  EXPECT_THAT(users().SetPassword(nobody, "hash", now_, forget_at_), HasCode(absl::StatusCode::kNotFound));
  EXPECT_THAT(users().SetDisabled(nobody, true, now_, forget_at_), HasCode(absl::StatusCode::kNotFound));
  EXPECT_THAT(users().SetDisabled(nobody, false, now_, forget_at_), HasCode(absl::StatusCode::kNotFound));
  EXPECT_EQ(*users().ReplaceHash(nobody, "old", "new"), false);
  EXPECT_TRUE(Log().empty());
}

TEST_P(UserStoreContract, TakenNameOrIdAlreadyExistsAndTheFirstStays) {
  const PrincipalRecord alice = AddPrincipal("alice");
  EXPECT_THAT(users().Create(NewPrincipal("alice")), HasCode(absl::StatusCode::kAlreadyExists));
  PrincipalRecord same_id = NewPrincipal("bob");
  same_id.id = alice.id;
  EXPECT_THAT(users().Create(same_id), HasCode(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(users().FindByName("bob"), HasCode(absl::StatusCode::kNotFound));
  ExpectEqual(*users().Find(alice.id), alice);
}

TEST_P(UserStoreContract, NamesThatACollationWouldMergeAreDifferentPeople) {
  const std::vector<std::string> names = {
      "a",  "A", "a ", " a", "\xc3\xa4", "a\xcc\x88", "ss", "SS", "\xc3\x9f", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x81",
      "a\t"};
  for (const std::string& name : names) AddPrincipal(name);
  for (const std::string& name : names) EXPECT_EQ(users().FindByName(name)->name, name);
  EXPECT_THAT(users().FindByName("a  "), HasCode(absl::StatusCode::kNotFound));
}

TEST_P(UserStoreContract, EveryByteOfANameIsKept) {
  std::string name;
  for (int byte = 0; byte < 255; ++byte) name.push_back(static_cast<char>(255 - byte));
  for (const std::string& each : {name, std::string(1, '\0'), std::string("a\0b", 3), std::string("a\0c", 3)}) {
    AddPrincipal(each);
  }
  Reopen();
  for (const std::string& each : {name, std::string(1, '\0'), std::string("a\0b", 3), std::string("a\0c", 3)}) {
    auto found = users().FindByName(each);
    ASSERT_THAT(found, IsOk());
    EXPECT_EQ(found->name, each);
  }
  EXPECT_THAT(users().FindByName("a"), HasCode(absl::StatusCode::kNotFound));
}

TEST_P(UserStoreContract, FieldsOf255BytesFitAndLongerOnesAreRefusedNotCut) {
  PrincipalRecord long_record = NewPrincipal(std::string(255, 'n'));
  long_record.password_hash = std::string(255, 'h');
  long_record.scopes = {std::string(255, 's'), std::string(255, 't')};
  ASSERT_THAT(users().Create(long_record), IsOk());
  ExpectEqual(*users().Find(long_record.id), long_record);

  EXPECT_THAT(users().Create(NewPrincipal(std::string(256, 'n'))), HasCode(absl::StatusCode::kInvalidArgument));
  PrincipalRecord long_hash = NewPrincipal("bob");
  long_hash.password_hash = std::string(256, 'h');
  EXPECT_THAT(users().Create(long_hash), HasCode(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(NamesAfter("", 10), ElementsAre(long_record.name));
}

TEST_P(UserStoreContract, EmptyListAndHashAreKeptAsEmpty) {
  PrincipalRecord bare = NewPrincipal("bare");
  bare.password_hash.clear();
  bare.scopes.clear();
  ASSERT_THAT(users().Create(bare), IsOk());
  ExpectEqual(*users().Find(bare.id), bare);
}

TEST_P(UserStoreContract, ScopeThatWouldBeReadBackAsTwoIsRefused) {
  for (const std::string scope : {"a b", " ", ""}) {
    PrincipalRecord principal = NewPrincipal("alice");
    principal.scopes = {"orders.read", scope};
    EXPECT_THAT(users().Create(principal), HasCode(absl::StatusCode::kInvalidArgument));
  }
}

TEST_P(UserStoreContract, ListIsInByteOrderInPages) {
  for (const std::string name : {"b", "\xff", "a", "B", "ab", "a "}) AddPrincipal(name);
  AddPrincipal(std::string("a\0", 2));
  const std::vector<std::string> sorted = {"B", "a", std::string("a\0", 2), "a ", "ab", "b", "\xff"};
  EXPECT_EQ(NamesAfter("", 100), sorted);
  EXPECT_THAT(NamesAfter("", 2), ElementsAre("B", "a"));
  EXPECT_THAT(NamesAfter("a", 2), ElementsAre(std::string("a\0", 2), "a "));
  EXPECT_THAT(NamesAfter("a!", 2), ElementsAre("ab", "b"));
  EXPECT_THAT(NamesAfter("\xff", 2), ElementsAre());
  EXPECT_THAT(NamesAfter("", 0), ElementsAre());
}

TEST_P(UserStoreContract, SetPasswordReplacesTheHashAndEndsAllSessions) {
  const PrincipalRecord alice = AddPrincipal("alice");
  const SessionRecord session = AddSession(alice, now_ - absl::Seconds(1));
  auto revocation = users().SetPassword(alice.id, "new", now_, forget_at_);
  ASSERT_THAT(revocation, IsOk());
  EXPECT_EQ(revocation->kind, RevocationKind::kPrincipal);
  EXPECT_EQ(revocation->target, alice.id);
  EXPECT_EQ(revocation->began_until, now_);
  EXPECT_EQ(revocation->expires_at, forget_at_);
  Reopen();
  auto changed = users().Find(alice.id);
  EXPECT_EQ(changed->password_hash, "new");
  EXPECT_EQ(changed->credential_version, alice.credential_version + 1);
  EXPECT_EQ(changed->sessions_revoked_until, now_);
  EXPECT_TRUE(sessions().Find(session.id)->revoked());
  ASSERT_EQ(Log().size(), 1u);
  ExpectEqual(Log()[0], *revocation);
}

TEST_P(UserStoreContract, SetPasswordForAVersionThatIsGoneChangesNothing) {
  const PrincipalRecord alice = AddPrincipal("alice");
  ASSERT_THAT(users().SetPassword(alice.id, "by an administrator", now_, forget_at_), IsOk());
  EXPECT_THAT(users().SetPassword(alice.id, "too late", now_, forget_at_, alice.credential_version),
              HasCode(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(users().Find(alice.id)->password_hash, "by an administrator");
  EXPECT_EQ(Log().size(), 1u);
  ASSERT_TRUE(*users().ReplaceHash(alice.id, "by an administrator", "the same, at another cost"));  // is no such change
  EXPECT_THAT(users().SetPassword(alice.id, "in time", now_, forget_at_, alice.credential_version + 1), IsOk());
  EXPECT_EQ(users().Find(alice.id)->password_hash, "in time");
  EXPECT_EQ(users().Find(alice.id)->credential_version, alice.credential_version + 2);
  EXPECT_EQ(Log().size(), 2u);
  Uuid nobody;
  EXPECT_THAT(users().SetPassword(nobody, "hash", now_, forget_at_, 1), HasCode(absl::StatusCode::kNotFound));
}

TEST_P(UserStoreContract, APrincipalMayHaveNoPasswordHash) {
  PrincipalRecord alice = AddPrincipal("alice");
  ASSERT_TRUE(*users().ReplaceHash(alice.id, alice.password_hash, ""));
  EXPECT_EQ(users().FindByName("alice")->password_hash, "");
}

TEST_P(UserStoreContract, SetPasswordThatIsRefusedChangesNothing) {
  const PrincipalRecord alice = AddPrincipal("alice");
  EXPECT_THAT(users().SetPassword(alice.id, std::string(256, 'h'), now_, forget_at_),
              HasCode(absl::StatusCode::kInvalidArgument));
  ExpectEqual(*users().Find(alice.id), alice);
  EXPECT_TRUE(Log().empty());
}

TEST_P(UserStoreContract, ReplaceHashReplacesOnlyTheHashItWasMadeFor) {
  const PrincipalRecord alice = AddPrincipal("alice");
  const SessionRecord session = AddSession(alice);
  EXPECT_EQ(*users().ReplaceHash(alice.id, "another", "new"), false);
  ExpectEqual(*users().Find(alice.id), alice);
  EXPECT_EQ(*users().ReplaceHash(alice.id, alice.password_hash, "new"), true);
  PrincipalRecord expected = alice;
  expected.password_hash = "new";
  ExpectEqual(*users().Find(alice.id), expected);
  EXPECT_FALSE(sessions().Find(session.id)->revoked());
  EXPECT_TRUE(Log().empty());
}

TEST_P(UserStoreContract, DisablingEndsAllSessionsOnce) {
  const PrincipalRecord alice = AddPrincipal("alice");
  const SessionRecord session = AddSession(alice);
  auto outcome = users().SetDisabled(alice.id, true, now_ + kTick, forget_at_);
  ASSERT_THAT(outcome, IsOk());
  EXPECT_TRUE(outcome->newly_revoked);
  EXPECT_EQ(outcome->revocation.began_until, now_ + absl::Milliseconds(1));
  PrincipalRecord disabled = *users().Find(alice.id);
  EXPECT_TRUE(disabled.disabled);
  EXPECT_EQ(disabled.credential_version, alice.credential_version + 1);
  EXPECT_TRUE(sessions().Find(session.id)->revoked());

  EXPECT_FALSE(users().SetDisabled(alice.id, true, now_ + absl::Hours(1), forget_at_)->newly_revoked);
  ExpectEqual(*users().Find(alice.id), disabled);
  ASSERT_EQ(Log().size(), 1u);
  ExpectEqual(Log()[0], outcome->revocation);
}

TEST_P(UserStoreContract, EnablingAppendsNothingAndBringsNoSessionBack) {
  const PrincipalRecord alice = AddPrincipal("alice");
  const SessionRecord session = AddSession(alice);
  ASSERT_THAT(users().SetDisabled(alice.id, true, now_, forget_at_), IsOk());
  auto outcome = users().SetDisabled(alice.id, false, now_ + absl::Hours(1), forget_at_);
  ASSERT_THAT(outcome, IsOk());
  EXPECT_FALSE(outcome->newly_revoked);
  const PrincipalRecord enabled = *users().Find(alice.id);
  EXPECT_FALSE(enabled.disabled);
  EXPECT_EQ(enabled.credential_version, alice.credential_version + 2);
  EXPECT_EQ(enabled.sessions_revoked_until, now_);
  EXPECT_TRUE(sessions().Find(session.id)->revoked());
  EXPECT_EQ(Log().size(), 1u);
}

}  // namespace
}  // namespace watchword
