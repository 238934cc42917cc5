#include "watchword/token/strict_json.h"

#include <cstdint>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/charconv.h"
#include "absl/strings/match.h"

namespace watchword {
namespace {

void AppendUtf8(uint32_t code_point, std::string& out) {
  const auto put = [&out](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xc0 | code_point >> 6);
    put(0x80 | (code_point & 0x3f));
  } else if (code_point < 0x10000) {
    put(0xe0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3f));
    put(0x80 | (code_point & 0x3f));
  } else {
    put(0xf0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 0x3f));
    put(0x80 | (code_point >> 6 & 0x3f));
    put(0x80 | (code_point & 0x3f));
  }
}

// The length of the well-formed UTF-8 sequence that `text`, which is not ASCII, begins with (Unicode table 3-7), or 0.
size_t Utf8SequenceSize(absl::string_view text) {
  const auto byte = [text](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0}; };
  const auto between = [](uint8_t value, uint8_t low, uint8_t high) { return value >= low && value <= high; };
  const uint8_t first = byte(0);
  if (between(first, 0xc2, 0xdf)) return between(byte(1), 0x80, 0xbf) ? 2 : 0;
  if (between(first, 0xe0, 0xef)) {
    const uint8_t low = first == 0xe0 ? 0xa0 : 0x80;   // no overlong form
    const uint8_t high = first == 0xed ? 0x9f : 0xbf;  // no surrogate
    return between(byte(1), low, high) && between(byte(2), 0x80, 0xbf) ? 3 : 0;
  }
  if (between(first, 0xf0, 0xf4)) {
    const uint8_t low = first == 0xf0 ? 0x90 : 0x80;   // no overlong form
    const uint8_t high = first == 0xf4 ? 0x8f : 0xbf;  // nothing above U+10FFFF
    return between(byte(1), low, high) && between(byte(2), 0x80, 0xbf) && between(byte(3), 0x80, 0xbf) ? 4 : 0;
  }
  return 0;
}

// Recursive descent over the text; each function consumes what it is named for or returns false.
class Parser {
 public:
  explicit Parser(absl::string_view text) : rest_(text) {}

  bool Document(JsonValue& out) {
    SkipSpace();
    if (!Consume('{') || !Object(1, out)) return false;
    SkipSpace();
    return rest_.empty();
  }

 private:
  void SkipSpace() {
    size_t size = 0;
    while (size < rest_.size() && IsSpace(rest_[size])) ++size;
    rest_.remove_prefix(size);
  }

  bool Consume(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool ConsumeWord(absl::string_view word) {
    if (!absl::StartsWith(rest_, word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  bool Value(int depth, JsonValue& out) {
    SkipSpace();
    if (rest_.empty()) return false;
    switch (rest_.front()) {
      case '"':
        rest_.remove_prefix(1);
        out.type = JsonValue::Type::kString;
        return String(out.string);
      case '{':
        rest_.remove_prefix(1);
        return depth < kMaxJsonDepth && Object(depth + 1, out);
      case '[':
        rest_.remove_prefix(1);
        return depth < kMaxJsonDepth && Array(depth + 1, out);
      case 't':
      case 'f':
        out.type = JsonValue::Type::kBoolean;
        out.boolean = rest_.front() == 't';
        return ConsumeWord(out.boolean ? "true" : "false");
      case 'n':
        return ConsumeWord("null");
      default:
        return Number(out);
    }
  }

  // What follows "{".
  bool Object(int depth, JsonValue& out) {
    out.type = JsonValue::Type::kObject;
    SkipSpace();
    if (Consume('}')) return true;
    out.members.reserve(10);
    do {
      std::string name;
      SkipSpace();
      if (!Consume('"') || !String(name)) return false;
      if (out.members.size() >= kMaxJsonMembers || out.Find(name) != nullptr) return false;
      JsonMember& member = out.members.emplace_back();
      member.name = std::move(name);
      SkipSpace();
      if (!Consume(':') || !Value(depth, member.value)) return false;
      SkipSpace();
    } while (Consume(','));
    return Consume('}');
  }

  // What follows "[".
  bool Array(int depth, JsonValue& out) {
    out.type = JsonValue::Type::kArray;
    SkipSpace();
    if (Consume(']')) return true;
    do {
      if (!Value(depth, out.elements.emplace_back())) return false;
      SkipSpace();
    } while (Consume(','));
    return Consume(']');
  }

  // What follows the opening quote.
  bool String(std::string& out) {
    while (true) {
      size_t plain = 0;
      while (plain < rest_.size() && IsPlain(rest_[plain])) ++plain;
      out.append(rest_.data(), plain);
      rest_.remove_prefix(plain);
      if (Consume('"')) return true;
      if (Consume('\\')) {
        if (!Escape(out)) return false;
        continue;
      }
      const size_t size = Utf8SequenceSize(rest_);
      if (size == 0) return false;
      out.append(rest_.data(), size);
      rest_.remove_prefix(size);
    }
  }

  static bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

  static bool IsPlain(char c) { return static_cast<uint8_t>(c) - 0x20u < 0x60 && c != '"' && c != '\\'; }

  // What follows a backslash.
  bool Escape(std::string& out) {
    if (Consume('u')) return UnicodeEscape(out);
    constexpr absl::string_view kNames = "\"\\/bfnrt";
    constexpr absl::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const size_t which = rest_.empty() ? absl::string_view::npos : kNames.find(rest_.front());
    if (which == absl::string_view::npos) return false;
    rest_.remove_prefix(1);
    out.push_back(kMeanings[which]);
    return true;
  }

  // What follows "\u".
  bool UnicodeEscape(std::string& out) {
    uint32_t unit = 0;
    if (!FourHexDigits(unit) || (unit & 0xfc00) == 0xdc00) return false;
    if ((unit & 0xfc00) == 0xd800) {
      uint32_t low = 0;
      if (!ConsumeWord("\\u") || !FourHexDigits(low) || (low & 0xfc00) != 0xdc00) return false;
      unit = 0x10000 + ((unit & 0x3ff) << 10 | (low & 0x3ff));
    }
    AppendUtf8(unit, out);
    return true;
  }

  bool FourHexDigits(uint32_t& out) {
    if (rest_.size() < 4) return false;
    for (const char c : rest_.substr(0, 4)) {
      if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) return false;
      const uint32_t digit = absl::ascii_isdigit(static_cast<unsigned char>(c)) ? c - '0' : (c | 0x20) - 'a' + 10;
      out = out << 4 | digit;
    }
    rest_.remove_prefix(4);
    return true;
  }

  bool Digits() {
    size_t size = 0;
    while (size < rest_.size() && absl::ascii_isdigit(static_cast<unsigned char>(rest_[size]))) ++size;
    rest_.remove_prefix(size);
    return size > 0;
  }

  bool Number(JsonValue& out) {
    const char* const begin = rest_.data();
    Consume('-');
    if (!Consume('0') && !Digits()) return false;
    if (Consume('.') && !Digits()) return false;
    if (Consume('e') || Consume('E')) {
      if (!Consume('+')) Consume('-');
      if (!Digits()) return false;
    }
    out.type = JsonValue::Type::kNumber;
    const auto result = absl::from_chars(begin, rest_.data(), out.number);
    const bool too_large = result.ec == std::errc::result_out_of_range && (out.number > 1 || out.number < -1);
    return result.ptr == rest_.data() && !too_large;
  }

  absl::string_view rest_;
};

}  // namespace

const JsonValue* JsonValue::Find(absl::string_view name) const {
  for (const JsonMember& member : members) {
    if (member.name == name) return &member.value;
  }
  return nullptr;
}

JsonValue* JsonValue::Find(absl::string_view name) {
  return const_cast<JsonValue*>(static_cast<const JsonValue*>(this)->Find(name));
}

absl::StatusOr<JsonValue> ParseStrictJsonObject(absl::string_view text) {
  JsonValue value;
  if (!Parser(text).Document(value)) return absl::InvalidArgumentError("not a strict JSON object");
  return value;
}

}  // namespace watchword
