// Base64 and UUIDs.
#include <gtest/gtest.h>

#include <set>

#include "base/base64.h"
#include "base/text.h"
#include "base/uuid.h"

namespace glm {
namespace {

TEST(Base64, IsThatOfTheRfc) {
  const std::vector<std::pair<std::string, std::string>> rows = {{"", ""},
                                                                 {"f", "Zg=="},
                                                                 {"fo", "Zm8="},
                                                                 {"foo", "Zm9v"},
                                                                 {"foob", "Zm9vYg=="},
                                                                 {"fooba", "Zm9vYmE="},
                                                                 {"foobar", "Zm9vYmFy"},
                                                                 {std::string("\0\xff", 2), "AP8="}};
  for (const auto& [bytes, text] : rows) {
    EXPECT_EQ(base64(as_bytes(bytes)), text);
    const auto back = base64_bytes(text);
    ASSERT_TRUE(back) << text;
    EXPECT_EQ(as_text(*back), bytes);
  }
  EXPECT_EQ(as_text(*base64_bytes("Zm9v\r\nYmFy\n")), "foobar");
  for (const std::string wrong : {"Z", "Zg", "Zg=", "Zg===", "Zm9v!", "Zm9-", "====", "Zh=="}) {
    EXPECT_FALSE(base64_bytes(wrong)) << wrong;
  }
  EXPECT_FALSE(base64_bytes(std::string("Zm9v\0Zm9v", 9)));
}

TEST(Uuid, IsOfVersionFour) {
  std::set<std::string> all;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = new_uuid();
    EXPECT_TRUE(is_uuid4(id)) << id;
    all.insert(id);
  }
  EXPECT_EQ(all.size(), 1000);
  EXPECT_TRUE(is_uuid4("BB7D4356-03AE-481B-B687-68F3C4F7A00F"));
  for (const std::string wrong : {"", "bb7d4356-03ae-481b-b687-68f3c4f7a00", "bb7d4356-03ae-481b-b687-68f3c4f7a00f ",
                                  "bb7d4356-03ae-181b-b687-68f3c4f7a00f", "bb7d4356-03ae-481b-7687-68f3c4f7a00f",
                                  "gb7d4356-03ae-481b-b687-68f3c4f7a00f", "bb7d435603ae481bb68768f3c4f7a00f",
                                  "{bb7d4356-03ae-481b-b687-68f3c4f7a00f}"}) {
    EXPECT_FALSE(is_uuid4(wrong)) << wrong;
  }
  EXPECT_FALSE(is_uuid4(std::string("bb7d4356-03ae-481b-b687-68f3c4f7a00\0", 36)));
}

}  // namespace
}  // namespace glm
