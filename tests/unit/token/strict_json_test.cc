#include "watchword/token/strict_json.h"

#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace watchword {
namespace {

using nlohmann::json;

bool Accepts(absl::string_view text) { return ParseStrictJsonObject(text).ok(); }

std::string Nested(int depth) {
  return absl::StrCat("{\"a\":", std::string(static_cast<size_t>(depth) - 1, '['),
                      std::string(static_cast<size_t>(depth) - 1, ']'), "}");
}

std::string WithMembers(size_t count) {
  std::vector<std::string> members;
  for (size_t i = 0; i < count; ++i) members.push_back(absl::StrCat("\"m", i, "\":", i));
  return absl::StrCat("{", absl::StrJoin(members, ","), "}");
}

TEST(StrictJsonTest, ReadsEveryTypeOfValue) {
  const auto value = ParseStrictJsonObject(
      " {\"s\" : \"x\\u0041\\n\\ud83d\\ude00é\", \"n\":-1.5e2, \"t\":true,\"f\":false,\n"
      "\"z\":null,\"a\":[1,\"2\",[]],\"o\":{\"p\":{}}} \r\n\t");
  ASSERT_THAT(value, IsOk());
  EXPECT_EQ(value->Find("s")->string, "xA\n😀é");
  EXPECT_EQ(value->Find("n")->number, -150);
  EXPECT_TRUE(value->Find("t")->boolean);
  EXPECT_EQ(value->Find("f")->type, JsonValue::Type::kBoolean);
  EXPECT_FALSE(value->Find("f")->boolean);
  EXPECT_EQ(value->Find("z")->type, JsonValue::Type::kNull);
  ASSERT_EQ(value->Find("a")->elements.size(), 3);
  EXPECT_EQ(value->Find("a")->elements[1].string, "2");
  EXPECT_EQ(value->Find("o")->Find("p")->type, JsonValue::Type::kObject);
  EXPECT_EQ(value->Find("absent"), nullptr);
}

TEST(StrictJsonTest, DuplicateNamesAreRefusedHoweverTheyAreEscaped) {
  EXPECT_FALSE(Accepts(R"({"alg":1,"alg":1})"));
  EXPECT_FALSE(Accepts(R"({"alg":1,"\u0061lg":2})"));
  EXPECT_FALSE(Accepts(R"({"/":1,"\/":2})"));
  EXPECT_FALSE(Accepts(R"({"a":{"b":1,"c":2,"b":3}})"));
  EXPECT_FALSE(Accepts(R"({"":1,"":2})"));
  EXPECT_TRUE(Accepts(R"({"a":{"a":{"a":1}},"A":2})"));
}

TEST(StrictJsonTest, DepthIsLimited) {
  EXPECT_TRUE(Accepts(Nested(kMaxJsonDepth)));
  EXPECT_FALSE(Accepts(Nested(kMaxJsonDepth + 1)));
  EXPECT_FALSE(Accepts(Nested(3000)));
  EXPECT_FALSE(Accepts(std::string(1'000'000, '[')));
  std::string objects;
  for (int i = 0; i < 3000; ++i) objects += "{\"a\":";
  EXPECT_FALSE(Accepts(objects));
}

TEST(StrictJsonTest, MembersAreLimited) {
  EXPECT_TRUE(Accepts(WithMembers(kMaxJsonMembers)));
  EXPECT_FALSE(Accepts(WithMembers(kMaxJsonMembers + 1)));
}

TEST(StrictJsonTest, OnlyAnObjectAndNothingAfterItIsTaken) {
  for (const char* text : {"",
                           " ",
                           "[]",
                           "1",
                           "\"a\"",
                           "null",
                           "true",
                           "{}x",
                           "{}{}",
                           "{},",
                           "\xef\xbb\xbf{}",
                           "{",
                           "}",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{,}",
                           "{a:1}",
                           "{'a':1}",
                           "{\"a\":[1,]}",
                           "{\"a\":[",
                           "{\"a\":tru}",
                           "{\"a\":nul}",
                           "{\"a\":TRUE}",
                           "{/**/}",
                           "{\"a\" 1}",
                           "{\"a\":1 \"b\":2}"}) {
    EXPECT_FALSE(Accepts(text)) << text;
  }
  EXPECT_FALSE(Accepts(absl::string_view("{}\0", 3)));
}

TEST(StrictJsonTest, NumbersFollowTheGrammarAndAreFinite) {
  for (const char* text :
       {"0", "-0", "1", "10.25", "1e3", "1E+3", "1e-3", "-1.5e308", "1e-999", "18446744073709551616"}) {
    EXPECT_TRUE(Accepts(absl::StrCat("{\"n\":", text, "}"))) << text;
  }
  for (const char* text : {"1e400", "-1e400", "NaN", "Infinity", "-Infinity", "01", "-01", "00", "+1", ".5", "5.", "1e",
                           "1e+", "0x10", "1_0", "--1", "-", "1.e3", "1,5"}) {
    EXPECT_FALSE(Accepts(absl::StrCat("{\"n\":", text, "}"))) << text;
  }
}

TEST(StrictJsonTest, TextIsValidUtf8WithoutRawControlCharacters) {
  for (const char* bad : {"\x80",
                          "\xc0\xaf",
                          "\xc1\x81",
                          "\xe0\x80\x80",
                          "\xed\xa0\x80",
                          "\xf0\x80\x80\x80",
                          "\xf4\x90\x80\x80",
                          "\xf5\x80\x80\x80",
                          "\xff",
                          "\xc3",
                          "\xe2\x82",
                          "\xf0\x9f\x98",
                          "\n",
                          "\t",
                          "\x1f",
                          "\\",
                          "\\x",
                          "\\u12",
                          "\\u12g4",
                          "\\ud800",
                          "\\ud800x",
                          "\\ud800\\u0041",
                          "\\udc00",
                          "\\U0041"}) {
    EXPECT_FALSE(Accepts(absl::StrCat("{\"a\":\"", bad, "\"}"))) << testing::PrintToString(std::string(bad));
    EXPECT_FALSE(Accepts(absl::StrCat("{\"", bad, "\":1}"))) << testing::PrintToString(std::string(bad));
  }
  EXPECT_FALSE(Accepts(absl::StrCat("{\"a\":\"", absl::string_view("\0", 1), "\"}")));
  for (const char* good : {"\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
                           "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "\\u0000", "\\uD83D\\uDE00"}) {
    EXPECT_TRUE(Accepts(absl::StrCat("{\"a\":\"", good, "\"}"))) << testing::PrintToString(std::string(good));
  }
}

// Builds what nlohmann-json, which has seen more JSON than this parser, makes of the text; refuses as this one
// promises.
class Oracle : public json::json_sax_t {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return Enter(); }
  bool key(string_t& name) override { return names_.back().insert(name).second; }
  bool end_object() override { return Leave(); }
  bool start_array(std::size_t) override { return Enter(); }
  bool end_array() override { return Leave(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

 private:
  bool Enter() {
    names_.emplace_back();
    return names_.size() <= kMaxJsonDepth;
  }
  bool Leave() {
    names_.pop_back();
    return true;
  }

  std::vector<std::set<std::string>> names_;
};

bool OracleAccepts(const std::string& text) {
  Oracle oracle;
  const bool begins_as_object =
      text.find_first_not_of(" \t\r\n") != std::string::npos && text[text.find_first_not_of(" \t\r\n")] == '{';
  return begins_as_object && json::sax_parse(text, &oracle);
}

// The value, written by nlohmann-json.
json ToLibrary(const JsonValue& value) {
  switch (value.type) {
    case JsonValue::Type::kNull:
      return nullptr;
    case JsonValue::Type::kBoolean:
      return value.boolean;
    case JsonValue::Type::kNumber:
      return value.number;
    case JsonValue::Type::kString:
      return value.string;
    case JsonValue::Type::kArray: {
      json array = json::array();
      for (const JsonValue& each : value.elements) array.push_back(ToLibrary(each));
      return array;
    }
    case JsonValue::Type::kObject: {
      json object = json::object();
      for (const JsonMember& each : value.members) object[each.name] = ToLibrary(each.value);
      return object;
    }
  }
  return nullptr;
}

TEST(StrictJsonTest, AgreesWithNlohmannJsonOnMutatedDocuments) {
  const std::vector<std::string> seeds = {
      R"({"alg":"ES256","typ":"at+jwt","kid":"k-1","x":{"y":[1,-2.5,3e2,true,false,null]}})",
      R"({"iss":"https://i","aud":["a","b"],"exp":1700000300.5,"s":"\u00e9\ud83d\ude00\n\\\"/","e":"é😀"})",
      R"({"a":[[[[[[[1]]]]]]],"b":{"c":{"d":{}}} , "n":0,"m":-0,"big":1e308})"};
  const absl::string_view fragments[] = {"\"",  "\\",      "{",    "}",    "[",        "]",    ",",        ":",
                                         "0",   "-",       ".",    "e",    "E",        "+",    "1",        "null",
                                         "\\u", "\\ud800", " ",    "\xc3", "\xa9",     "\xe2", "\n",       "a",
                                         "\0",  "/",       "9999", "true", "\"a\":1,", "[",    "\xf0\x9f", "u00"};
  std::mt19937 random(20'240'229);  // NOLINT(cert-msc51-cpp): the same documents in every run
  const auto pick = [&random](size_t below) { return random() % below; };
  int accepted = 0;
  for (int i = 0; i < 40'000; ++i) {
    std::string text = seeds[pick(seeds.size())];
    for (size_t edits = 1 + pick(3) / 2; edits > 0; --edits) {
      const size_t at = pick(text.size());
      const absl::string_view fragment = fragments[pick(std::size(fragments))];
      text.replace(at, pick(3), std::string(fragment));
      if (text.empty()) text = " ";
    }
    const auto ours = ParseStrictJsonObject(text);
    ASSERT_EQ(ours.ok(), OracleAccepts(text)) << testing::PrintToString(text);
    if (!ours.ok()) continue;
    ++accepted;
    ASSERT_EQ(ToLibrary(*ours), json::parse(text)) << text;
  }
  EXPECT_GT(accepted, 3'000);
  EXPECT_LT(accepted, 36'000);
}

}  // namespace
}  // namespace watchword
