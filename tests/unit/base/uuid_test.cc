#include "watchword/base/uuid.h"

#include <string>

#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "watchword/base/testing/fake_random.h"

namespace watchword {
namespace {

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// The example of RFC 9562 appendix A.6.
constexpr char kRfcExample[] = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";

TEST(UuidTest, ExampleOfTheRfcIsVersion7WithItsTime) {
  const auto uuid = Uuid::Parse(kRfcExample);
  ASSERT_THAT(uuid, IsOk());
  EXPECT_TRUE(uuid->IsV7());
  EXPECT_EQ(uuid->V7Time(), absl::FromUnixMillis(1645557742000));
  EXPECT_EQ(uuid->ToString(), kRfcExample);
}

TEST(UuidTest, NewOneCarriesTimeVersionVariantAndRandomBits) {
  FakeRandom random;
  const auto uuid = Uuid::NewV7(absl::FromUnixMillis(1645557742000) + absl::Microseconds(999), random);
  ASSERT_THAT(uuid, IsOk());
  EXPECT_EQ(uuid->ToString(), "017f22e2-79b0-7607-8809-0a0b0c0d0e0f");
  EXPECT_TRUE(uuid->IsV7());
  EXPECT_EQ(uuid->V7Time(), absl::FromUnixMillis(1645557742000));
}

TEST(UuidTest, LaterOnesSortAfterEarlierOnes) {
  FakeRandom random;
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  const auto first = Uuid::NewV7(now, random);
  const auto second = Uuid::NewV7(now + absl::Milliseconds(1), random);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_LT(*first, *second);
  EXPECT_LT(first->bytes(), second->bytes());
}

TEST(UuidTest, WithoutRandomnessThereIsNone) {
  FailingRandom random;
  EXPECT_THAT(Uuid::NewV7(absl::UnixEpoch(), random), HasCode(absl::StatusCode::kInternal));
}

TEST(UuidTest, BytesComeBack) {
  const auto uuid = Uuid::Parse(kRfcExample);
  ASSERT_THAT(uuid, IsOk());
  const auto again = Uuid::FromBytes(uuid->bytes());
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(*again, *uuid);
}

TEST(UuidTest, OtherVersionIsNotTakenForVersion7) {
  const auto version4 = Uuid::Parse("919108f7-52d1-4320-9bac-f847db4148a8");
  const auto other_variant = Uuid::Parse("017f22e2-79b0-7cc3-d8c4-dc0c0c07398f");
  ASSERT_THAT(version4, IsOk());
  ASSERT_THAT(other_variant, IsOk());
  EXPECT_FALSE(version4->IsV7());
  EXPECT_FALSE(other_variant->IsV7());
  EXPECT_FALSE(Uuid().IsV7());
}

TEST(UuidTest, OnlyTheCanonicalFormIsParsed) {
  for (const char* text : {
           "",
           "017F22E2-79B0-7CC3-98C4-DC0C0C07398F",
           "017f22e279b07cc398c4dc0c0c07398f",
           "{017f22e2-79b0-7cc3-98c4-dc0c0c07398f}",
           "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
           "017f22e2-79b0-7cc3-98c4-dc0c0c07398ff",
           "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
           "017f22e27-9b0-7cc3-98c4-dc0c0c07398f",
           " 17f22e2-79b0-7cc3-98c4-dc0c0c07398f",
       }) {
    EXPECT_THAT(Uuid::Parse(text), HasCode(kInvalid)) << text;
  }
}

TEST(UuidTest, OtherThan16BytesIsRefused) {
  EXPECT_THAT(Uuid::FromBytes(std::string(15, 'a')), HasCode(kInvalid));
  EXPECT_THAT(Uuid::FromBytes(std::string(16, 'a')), IsOk());
  EXPECT_THAT(Uuid::FromBytes(std::string(17, 'a')), HasCode(kInvalid));
}

}  // namespace
}  // namespace watchword
