#include "watchword/base/secret.h"

#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

#include "gtest/gtest.h"

namespace watchword {
namespace {

template <typename T>
concept Printable = requires(std::ostream& out, const T& value) {
  out << value;
};
template <typename T>
concept Comparable = requires(const T& a, const T& b) {
  a == b;
};

TEST(SecretTest, CannotBeCopiedComparedOrPrinted) {
  EXPECT_FALSE(std::is_copy_constructible_v<Secret>);
  EXPECT_FALSE(std::is_copy_assignable_v<Secret>);
  EXPECT_FALSE((std::is_convertible_v<std::string, Secret>));
  EXPECT_FALSE(Printable<Secret>);
  EXPECT_FALSE(Comparable<Secret>);
}

TEST(SecretTest, MovedFromSecretHoldsNothing) {
  for (const std::string& bytes : {std::string("short"), std::string(100, 'x')}) {
    Secret first(bytes);
    const Secret second(std::move(first));
    EXPECT_EQ(second.Reveal(), bytes);
    EXPECT_TRUE(first.empty());  // NOLINT: that is what is tested
  }
}

TEST(SecretTest, MoveLeavesNoByteInsideTheObject) {
  Secret first(std::string("inline"));  // short enough for std::string to keep inside itself
  const absl::string_view place = first.Reveal();
  const Secret second(std::move(first));
  for (size_t i = 0; i < place.size(); ++i) EXPECT_EQ(place.data()[i], '\0');
}

TEST(SecretTest, MoveToItselfKeepsTheBytes) {
  Secret secret(std::string("bytes"));
  Secret& same = secret;
  secret = std::move(same);
  EXPECT_EQ(secret.Reveal(), "bytes");
}

TEST(SecretTest, WipeOverwritesTheMemory) {
  std::string bytes = "inline";
  const char* place = bytes.data();
  Secret::Wipe(bytes);
  EXPECT_TRUE(bytes.empty());
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(place[i], '\0');
}

TEST(EqualInConstantTimeTest, EqualOnlyIfEveryByteIs) {
  const std::string a = "0123456789abcdef";
  EXPECT_TRUE(EqualInConstantTime(a, a));
  EXPECT_TRUE(EqualInConstantTime("", ""));
  EXPECT_FALSE(EqualInConstantTime(a, a.substr(1)));
  EXPECT_FALSE(EqualInConstantTime(a, a + '\0'));
  for (size_t i = 0; i < a.size() * 8; ++i) {
    std::string b = a;
    b[i / 8] = static_cast<char>(b[i / 8] ^ (1 << (i % 8)));
    EXPECT_FALSE(EqualInConstantTime(a, b)) << i;
  }
}

}  // namespace
}  // namespace watchword
