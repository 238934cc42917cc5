#include "server/crypto/seal.h"

#include <string>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "watchword/base/testing/fake_random.h"

namespace watchword {
namespace {

using Code = absl::StatusCode;

const Secret& Key() {
  static const Secret key(std::string(32, 'k'));
  return key;
}

std::string Sealed(absl::string_view plaintext) {
  FakeRandom random;
  auto sealed = Seal(Key(), "label", Secret::CopyOf(plaintext), random);
  EXPECT_THAT(sealed, IsOk());
  return sealed.value_or("");
}

// python3: b"\x01" + n + cryptography.hazmat.primitives.ciphers.aead.AESGCM(b"k" * 32).encrypt(n, b"plaintext",
// b"label") with n = bytes(range(12))
TEST(SealTest, FormIsVersionNonceCiphertextTag) {
  EXPECT_EQ(absl::BytesToHexString(Sealed("plaintext")),
            "01000102030405060708090a0b1ab195476aa4e30d372ae5b6cdcad9566ae0795b2102d9f9bc");
}

TEST(SealTest, WhatIsSealedOpens) {
  for (const std::string& plaintext : {std::string(), std::string("a\0b", 3), std::string(5000, 'x')}) {
    const auto opened = Unseal(Key(), "label", Sealed(plaintext));
    ASSERT_THAT(opened, IsOk());
    EXPECT_EQ(opened->Reveal(), plaintext);
  }
}

TEST(SealTest, EveryChangedBitIsNoticed) {
  const std::string sealed = Sealed("plaintext");
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string changed = sealed;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_THAT(Unseal(Key(), "label", changed), HasCode(Code::kFailedPrecondition)) << bit;
  }
}

TEST(SealTest, EveryTruncationIsNoticed) {
  const std::string sealed = Sealed("plaintext");
  for (size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_THAT(Unseal(Key(), "label", sealed.substr(0, size)), HasCode(Code::kFailedPrecondition)) << size;
  }
  EXPECT_THAT(Unseal(Key(), "label", sealed + "x"), HasCode(Code::kFailedPrecondition));
}

TEST(SealTest, OtherLabelOrKeyDoesNotOpen) {
  const std::string sealed = Sealed("plaintext");
  EXPECT_THAT(Unseal(Key(), "other", sealed), HasCode(Code::kFailedPrecondition));
  EXPECT_THAT(Unseal(Key(), "", sealed), HasCode(Code::kFailedPrecondition));
  EXPECT_THAT(Unseal(Secret(std::string(32, 'j')), "label", sealed), HasCode(Code::kFailedPrecondition));
}

TEST(SealTest, KeyOfAnotherSizeIsRefused) {
  for (const size_t size : {0, 16, 31, 33}) {
    const Secret key(std::string(size, 'k'));
    FakeRandom random;
    EXPECT_THAT(Seal(key, "label", Secret(std::string("x")), random), HasCode(Code::kFailedPrecondition));
    EXPECT_THAT(Unseal(key, "label", Sealed("x")), HasCode(Code::kFailedPrecondition));
  }
}

TEST(SealTest, EachSealingTakesANonceOfItsOwn) {
  FakeRandom random;
  const auto first = Seal(Key(), "label", Secret(std::string("x")), random);
  const auto second = Seal(Key(), "label", Secret(std::string("x")), random);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_NE(first->substr(1, 12), second->substr(1, 12));
  EXPECT_EQ(random.given(), 24);
}

TEST(SealTest, WithoutRandomnessNothingIsSealed) {
  FailingRandom random;
  EXPECT_THAT(Seal(Key(), "label", Secret(std::string("x")), random), HasCode(Code::kInternal));
}

}  // namespace
}  // namespace watchword
