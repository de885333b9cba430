// The C interface from a host's side: threads, lack of memory, exceptions of its own, hundreds of pictures.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "glm_image.h"
#include "tests/support/sanitizer.h"

namespace {

namespace fs = std::filesystem;

const std::string kSmall = GLM_BINARY_DIR "/checkpoints/a";
const std::string kNano = GLM_SOURCE_DIR "/models/nano";

std::string last_error(const glm_engine* engine) {
  std::string text(glm_engine_last_error(engine, nullptr, 0) + 1, '\0');
  glm_engine_last_error(engine, text.data(), text.size());
  text.pop_back();
  return text;
}

// An engine with a checkpoint, and a request of 128 x 128.
struct Host {
  glm_engine* engine = glm_engine_create();
  glm_request request{};
  std::vector<uint8_t> rgb = std::vector<uint8_t>(size_t{3} * 128 * 128);

  explicit Host(const std::string& checkpoint, const char* look_ahead = "auto") {
    glm_load_options options;
    glm_load_options_init(&options);
    options.device = "cpu";
    options.threads = 1;
    options.look_ahead = look_ahead;
    EXPECT_EQ(glm_engine_load(engine, checkpoint.c_str(), &options), GLM_OK) << last_error(engine);
    glm_request_init(&request);
    request.prompt = "a red apple";
    request.width = request.height = 128;
    request.steps = 1;
  }
  ~Host() { glm_engine_destroy(engine); }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  glm_status draw(const glm_callbacks* callbacks = nullptr) {
    return glm_engine_generate(engine, &request, callbacks, rgb.data(), rgb.size());
  }
};

TEST(Engine, IsCalledFromManyThreads) {
  Host host(kSmall);
  ASSERT_EQ(host.draw(), GLM_OK);
  std::vector<std::thread> threads;
  std::vector<std::vector<uint8_t>> drawn(6, std::vector<uint8_t>(host.rgb.size()));
  for (std::vector<uint8_t>& own : drawn) {
    threads.emplace_back(
        [&] { EXPECT_EQ(glm_engine_generate(host.engine, &host.request, nullptr, own.data(), own.size()), GLM_OK); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<uint8_t>& own : drawn) EXPECT_TRUE(own == host.rgb);
}

TEST(Engine, LooksAheadAsItIsTold) {
  Host without(kSmall, "off");
  Host with(kSmall, "16");
  ASSERT_EQ(without.draw(), GLM_OK);
  ASSERT_EQ(with.draw(), GLM_OK);
  EXPECT_EQ(without.rgb, with.rgb);
  glm_load_options options;
  glm_load_options_init(&options);
  options.look_ahead = "17";
  glm_engine* engine = glm_engine_create();
  EXPECT_EQ(glm_engine_load(engine, kSmall.c_str(), &options), GLM_USAGE);
  EXPECT_NE(last_error(engine).find("from 1 to 16, found \"17\""), std::string::npos) << last_error(engine);
  glm_engine_destroy(engine);
}

TEST(Engine, LoadingTellsItsWarnings) {
  const Host good(kSmall);
  EXPECT_EQ(glm_engine_warnings(good.engine, nullptr, 0), 0U);
  const std::filesystem::path folder = testing::TempDir() + "glm_warnings_" + std::to_string(getpid());
  std::filesystem::copy(kSmall, folder, std::filesystem::copy_options::recursive);
  std::filesystem::remove(folder / "vision_language_encoder/generation_config.json");
  const Host host(folder.string());
  std::filesystem::remove_all(folder);
  std::string text(glm_engine_warnings(host.engine, nullptr, 0) + 1, '\0');
  EXPECT_EQ(glm_engine_warnings(host.engine, text.data(), text.size()), text.size() - 1);
  EXPECT_NE(text.find("generation_config.json: no such file"), std::string::npos) << text;
  EXPECT_EQ(text[text.size() - 2], '\n');
  char little[4] = {};
  EXPECT_EQ(glm_engine_warnings(host.engine, little, sizeof little), text.size() - 1);
  EXPECT_EQ(std::string(little), text.substr(0, 3));
}

TEST(Engine, AHostsExceptionIsAStatus) {
  Host host(kSmall);
  glm_callbacks callbacks;
  glm_callbacks_init(&callbacks);
  callbacks.progress = [](void*, glm_stage, int64_t, int64_t) { throw std::runtime_error("from the host"); };
  EXPECT_EQ(host.draw(&callbacks), GLM_INTERNAL);
  EXPECT_EQ(last_error(host.engine), "from the host");
  callbacks.progress = [](void*, glm_stage, int64_t, int64_t) { throw std::bad_alloc(); };
  EXPECT_EQ(host.draw(&callbacks), GLM_MEMORY);
  EXPECT_EQ(host.draw(), GLM_OK);
}

TEST(Engine, MayBeDestroyedInACallbackOfItsOwnCall) {
  Host host(kSmall);
  glm_callbacks callbacks;
  glm_callbacks_init(&callbacks);
  struct User {
    Host* host;
    glm_cancel* cancel = glm_cancel_create();
  } user{&host};
  callbacks.user = &user;
  callbacks.cancel = user.cancel;
  callbacks.progress = [](void* own, glm_stage, int64_t, int64_t) {
    auto* const of = static_cast<User*>(own);
    glm_engine_destroy(of->host->engine);
    of->host->engine = nullptr;
    glm_cancel_set(of->cancel);  // the call ends with an error, whose text has to go somewhere
  };
  EXPECT_EQ(host.draw(&callbacks), GLM_CANCELLED);
  EXPECT_EQ(host.engine, nullptr);
  glm_cancel_destroy(user.cancel);
}

TEST(Engine, AnOldCallersStructureIsTaken) {
  Host host(kSmall);
  ASSERT_EQ(host.draw(), GLM_OK);
  const std::vector<uint8_t> whole = host.rgb;
  host.request.struct_size = offsetof(glm_request, rng);
  host.request.rng = 1234;  // beyond what this caller knows
  host.rgb.assign(host.rgb.size(), 0);
  EXPECT_EQ(host.draw(), GLM_OK) << last_error(host.engine);
  EXPECT_TRUE(host.rgb == whole);
  host.request.struct_size = sizeof(glm_request) + 8;
  EXPECT_EQ(host.draw(), GLM_USAGE);
  host.request.struct_size = offsetof(glm_request, texts) - 4;  // within `prompt`
  EXPECT_EQ(host.draw(), GLM_USAGE);
  host.request.struct_size = 0;
  EXPECT_EQ(host.draw(), GLM_USAGE);
  EXPECT_NE(last_error(host.engine).find("glm_request.struct_size"), std::string::npos);
}

// d's latents are 4 pixels a side, the others' 8.
TEST(Engine, StagesApartFillWhatTheSizesSay) {
  for (const char* checkpoint : {"a", "d"}) {
    Host host(GLM_BINARY_DIR "/checkpoints/" + std::string(checkpoint));
    ASSERT_EQ(host.draw(), GLM_OK);
    const std::vector<uint8_t> whole = host.rgb;
    glm_sizes sizes;
    glm_sizes_init(&sizes);
    ASSERT_EQ(glm_engine_sizes(host.engine, &host.request, &sizes), GLM_OK);
    std::vector<int64_t> tokens(sizes.tokens);
    ASSERT_EQ(glm_engine_tokens(host.engine, &host.request, nullptr, tokens.data(), tokens.size()), GLM_OK);
    const float untouched = -12345;
    std::vector<float> latents(64 * sizes.latents,
                               untouched);  // so that writing past the end shows, and harms nothing
    ASSERT_EQ(glm_engine_latents(host.engine, &host.request, nullptr, tokens.data(), tokens.size(), latents.data(),
                                 sizes.latents),
              GLM_OK);
    EXPECT_EQ(std::find(latents.begin(), latents.end(), untouched) - latents.begin(), sizes.latents) << checkpoint;
    host.rgb.assign(host.rgb.size(), 0);
    EXPECT_EQ(glm_engine_pixels(host.engine, &host.request, nullptr, latents.data(), sizes.latents, host.rgb.data(),
                                host.rgb.size()),
              GLM_OK)
        << checkpoint << ": " << last_error(host.engine);
    EXPECT_TRUE(host.rgb == whole) << checkpoint;
  }
}

// In a process of its own: its address space is limited to what it has, in steps, until a picture fits.
TEST(Engine, LackOfMemoryIsAStatusAndTheHostLives) {
  if (glm::kSanitized) GTEST_SKIP() << "AddressSanitizer needs an address space without limits";
  const pid_t child = ::fork();
  if (child == 0) {
    Host host(kSmall);
    if (host.draw() != GLM_OK) ::_exit(2);
    host.request.width = host.request.height = 2048;
    host.rgb.resize(size_t{3} * 2048 * 2048);
    int64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    const auto now = static_cast<rlim_t>(pages * ::sysconf(_SC_PAGESIZE));
    int refused = 0;
    for (rlim_t more = 0; more <= rlim_t{64} << 20; more += rlim_t{4} << 20) {
      const rlimit limit{now + more, RLIM_INFINITY};
      ::setrlimit(RLIMIT_AS, &limit);
      const glm_status status = host.draw();
      if (status != GLM_OK && status != GLM_MEMORY) ::_exit(3);
      if (status == GLM_MEMORY) ++refused;
    }
    const rlimit none{RLIM_INFINITY, RLIM_INFINITY};
    ::setrlimit(RLIMIT_AS, &none);
    host.request.width = host.request.height = 128;
    ::_exit(refused == 0 ? 4 : host.draw() == GLM_OK ? 0 : 5);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

int64_t resident_bytes() {
  int64_t all = 0;
  int64_t resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

int64_t entries(const char* folder) {
  return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
}

// Labelled slow: two minutes.
TEST(Endurance, TwoHundredPicturesInARowTakeNoMoreMemory) {
  Host host(kNano);
  int64_t bytes = 0;
  int64_t files = 0;
  int64_t threads = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    host.request.seeds = &seed;
    host.request.seed_count = 1;
    ASSERT_EQ(host.draw(), GLM_OK) << last_error(host.engine);
    if (seed == 40) {
      bytes = resident_bytes();
      files = entries("/proc/self/fd");
      threads = entries("/proc/self/task");
    }
  }
  if (!glm::kSanitized) {
    EXPECT_LT(resident_bytes() - bytes, 4 << 20);
  }
  EXPECT_EQ(entries("/proc/self/fd"), files);
  EXPECT_EQ(entries("/proc/self/task"), threads);
}

TEST(Endurance, EnginesThatComeAndGoTakeNoMoreMemory) {
  int64_t bytes = 0;
  int64_t files = 0;
  int64_t threads = 0;
  for (int i = 0; i < 40; ++i) {
    Host host(kSmall);
    ASSERT_EQ(host.draw(), GLM_OK);
    if (i != 10) continue;
    bytes = resident_bytes();
    files = entries("/proc/self/fd");
    threads = entries("/proc/self/task");
  }
  if (!glm::kSanitized) {
    EXPECT_LT(resident_bytes() - bytes, 8 << 20);
  }
  EXPECT_LE(entries("/proc/self/fd"), files);
  EXPECT_LE(entries("/proc/self/task"), threads);
}

}  // namespace
