#include "base/sha256.h"

#include "base/free_memory.h"
#include "tests/base/refusal.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

// FIPS 180-2, appendix B.
TEST(Sha256Of, TextsIsTheStandards) {
  Sha256 one;
  one.add("abc");
  EXPECT_EQ(one.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 parts;
  for (int i = 0; i < 1000; ++i) parts.add(std::string(1000, 'a'));
  EXPECT_EQ(parts.hex(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Of, AFileIsThatOfItsBytes) {
  const TemporaryFolder folder;
  write_bytes(folder / "abc", "abc");
  EXPECT_EQ(sha256_of(folder / "abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_TRUE(refused(ErrorCode::io, {"none"}, [&] { sha256_of(folder / "none"); }));
}

// As `git hash-object` says.
TEST(GitBlobNameOf, AFileIsGits) {
  GitBlobName name(12);
  for (const char* part : {"hello ", "world\n"}) name.add({reinterpret_cast<const uint8_t*>(part), 6});
  EXPECT_EQ(name.hex(), "3b18e512dba79e4c8300dd08aeb37f8e728b8dad");
  EXPECT_EQ(GitBlobName(0).hex(), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
}

TEST(FreeMemory, IsLessThanAllAndMoreThanNothing) {
  EXPECT_GT(free_memory(), 1 << 20);
  EXPECT_LT(free_memory(), int64_t{1} << 50);
}

}  // namespace
}  // namespace glm
