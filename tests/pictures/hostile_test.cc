// Every hostile picture is refused or decoded, within 256 MB and a second of a processor.
#include "tests/pictures/hostile.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "glm/error.h"
#include "glm/picture_file.h"
#include "tests/support/sanitizer.h"

namespace glm {
namespace {

using hostile::Picture;

constexpr long kMostKilobytes = kSanitized ? std::numeric_limits<long>::max() : 256 * 1024;
constexpr double kMostSeconds = kSanitized ? std::numeric_limits<double>::infinity() : 1.0;  // of a processor

hostile::Pictures every_picture() {
  hostile::Pictures all;
  for (const auto& make :
       {hostile::pngs, hostile::jpegs, hostile::webps, hostile::gifs, hostile::bmps, hostile::others}) {
    for (Picture& picture : make()) all.push_back(std::move(picture));
  }
  return all;
}

struct Result {
  int status = -1;
  std::string outcome;
  long kilobytes = 0;
  double seconds = 0.0;
};

Result decode(const std::string& bytes, const std::string& name) {
  const std::filesystem::path file =
      std::filesystem::path(testing::TempDir()) / ("glm_hostile_" + name + std::to_string(getpid()));
  std::ofstream(file, std::ios::binary) << bytes;
  Result run;
  FILE* pipe = popen((GLM_DECODE_ONCE " '" + file.string() + "' 2>&1").c_str(), "r");
  std::string text;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) text += static_cast<char>(c);
  run.status = pclose(pipe);
  std::filesystem::remove(file);
  std::istringstream lines(text);
  std::getline(lines, run.outcome);
  lines >> run.kilobytes >> run.seconds;
  return run;
}

class HostilePicture : public testing::TestWithParam<Picture> {};

TEST_P(HostilePicture, IsRefusedOrDecodedWithinLimits) {
  const std::string bytes = GetParam().make();
  Result run = decode(bytes, GetParam().name);
  for (int again = 0; again < 2 && run.seconds > kMostSeconds; ++again) {
    run = decode(bytes, GetParam().name);  // a busy machine costs processor time too
  }
  ASSERT_EQ(run.status, 0) << run.outcome;
  const std::string& expected = GetParam().outcome;
  const bool is_size = expected.find_first_not_of("0123456789x") == std::string::npos;
  if (is_size && run.outcome.find(' ') == std::string::npos) {
    EXPECT_EQ(run.outcome, expected);
  } else {
    EXPECT_NE(run.outcome.find(expected), std::string::npos) << run.outcome;
    EXPECT_NE(run.outcome.find(' '), std::string::npos) << "decoded: " << run.outcome;
  }
  EXPECT_GT(run.kilobytes, 0);
  EXPECT_LE(run.kilobytes, kMostKilobytes);
  EXPECT_LE(run.seconds, kMostSeconds);
  RecordProperty("kilobytes", std::to_string(run.kilobytes));
  RecordProperty("seconds", std::to_string(run.seconds));
}

INSTANTIATE_TEST_SUITE_P(Each, HostilePicture, testing::ValuesIn(every_picture()),
                         [](const auto& test) { return test.param.name; });

// In a process of its own, as the limit can't be taken back.
[[noreturn]] void decode_in_100_megabytes() {
  const std::string bytes = hostile::png({.width = 8192, .height = 4096});
  const rlimit memory{.rlim_cur = 100 << 20, .rlim_max = 100 << 20};
  setrlimit(RLIMIT_AS, &memory);
  try {
    decode_picture({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  } catch (const Error& e) {
    _exit(e.code() == ErrorCode::memory ? 0 : 1);
  }
  _exit(2);
}

TEST(DecodePictureDeathTest, LackOfMemoryIsAnError) {
  if (kSanitized) GTEST_SKIP() << "AddressSanitizer needs an address space without limits";
  EXPECT_EXIT(decode_in_100_megabytes(), testing::ExitedWithCode(0), "");
}

TEST(HostilePictures, AreEightyAndMore) {
  EXPECT_GE(every_picture().size(), 80U);
}

}  // namespace
}  // namespace glm
