#include "tokenizer/utf8.h"

#include <gtest/gtest.h>

#include "tests/tokenizer/golden.h"

namespace glm {
namespace {

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

TEST(Utf8, RepairsAsPythonDoes) {
  const auto file = test::golden("unicode");
  ASSERT_GE(file["repair"].size(), 170U);
  for (const auto& row : file["repair"]) {
    EXPECT_EQ(repair_utf8(from_hex(row[0])), row[1].get<std::string>()) << row[0];
  }
}

TEST(Utf8, ValidTextStaysAsItIs) {
  const std::string text = "a\0é猫😀\U0010FFFF";
  EXPECT_EQ(repair_utf8(text), text);
  EXPECT_EQ(repair_utf8(std::string_view("\0", 1)), std::string(1, '\0'));
}

TEST(Utf8, StripsTheSpacesOfEachKind) {
  for (const char* space :
       {" ", "\t", "\r\n", "\v\f", "\u0085", "\u00A0", "\u1680", "\u2003", "\u2028\u2029", "\u3000"}) {
    for (const Space kind : {Space::unicode, Space::python}) {
      const std::string text = std::string(space) + "é x" + space;
      EXPECT_EQ(strip_left(text, kind), std::string("é x") + space);
      EXPECT_EQ(strip_right(text, kind), std::string(space) + "é x");
      EXPECT_EQ(strip_left(space, kind), "");
      EXPECT_EQ(strip_right(space, kind), "");
    }
  }
  for (const char* other : {"\u180E", "\u200B", "\uFEFF", "\x7F"}) {
    EXPECT_EQ(strip_left(other, Space::python), other);
    EXPECT_EQ(strip_right(other, Space::unicode), other);
  }
  EXPECT_EQ(strip_left("\x1C\x1F", Space::python), "");
  EXPECT_EQ(strip_left("\x1C\x1F", Space::unicode), "\x1C\x1F");
}

}  // namespace
}  // namespace glm
