// What `generate` promises when all is well.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <png.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "tests/cli/program.h"

namespace glm {
namespace {

namespace fs = std::filesystem;

// "WIDTHxHEIGHT", or libpng's complaint. Every row is read.
std::string png_size(const fs::path& file) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_file(&image, file.c_str()) == 0) return image.message;
  image.format = PNG_FORMAT_RGB;
  std::vector<uint8_t> pixels(PNG_IMAGE_SIZE(image));
  if (png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr) == 0) return image.message;
  return std::to_string(image.width) + "x" + std::to_string(image.height);
}

class Generate : public testing::Test {
 protected:
  // The bytes of a small picture.
  std::string draw(const Arguments& more, const Surroundings& around = {}) {
    const fs::path file = folder_ / ("picture" + std::to_string(++count_) + ".png");
    const Outcome outcome = run_program(small_picture(file, more), around);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return read_file(file);
  }
  SafetensorsFile dump(Arguments more) {
    const fs::path file = folder_ / ("dump" + std::to_string(++count_) + ".safetensors");
    more.insert(more.end(), {"--dump", file.string()});
    draw(more);
    return SafetensorsFile(file);
  }

  TemporaryFolder folder_;
  int count_ = 0;
};

nlohmann::json about(const SafetensorsFile& dump) {
  return nlohmann::json::parse(dump.metadata().at("json"));
}

TEST_F(Generate, DrawsOnTheModelThatComesWithItFromAnyFolder) {
  const Outcome outcome = run_program({"generate", "a cat", "--steps", "2", "--threads", "1"},
                                      {.input = {}, .folder = folder_.path(), .output = {}});
  EXPECT_EQ(outcome.status, 0);
  std::smatch found;
  const std::regex path(R"((glm-image-(\d+)\.png)\n)");
  ASSERT_TRUE(std::regex_match(outcome.out, found, path)) << outcome.out;
  std::smatch told;
  const std::regex line(
      R"(seed (\d+)  256x256  \(tokens [\d.]+ s for 321 in \d+ passes, glyphs [\d.]+ s, steps [\d.]+ s, pixels [\d.]+ s\)\n)");
  ASSERT_TRUE(std::regex_match(outcome.err, told, line)) << outcome.err;  // no terminal, so no bar
  EXPECT_EQ(found[2], told[1]);
  EXPECT_EQ(png_size(folder_ / found[1].str()), "256x256");
  EXPECT_EQ(names_in(folder_.path()).size(), 1U);
}

TEST_F(Generate, AnInstalledProgramFindsTheModelBesideIt) {
  const fs::path program = folder_ / "prefix/bin/glm-image";
  const fs::path model = folder_ / "prefix/share/glm-image/models/nano";
  fs::create_directories(program.parent_path());
  fs::create_directories(model);
  fs::copy_file(GLM_BINARY_DIR "/glm-image", program);
  fs::copy(nano(), model, fs::copy_options::recursive);
  // Told from the source tree's by its defaults.
  fs::remove(model / "glm_image.json");
  std::ofstream(model / "glm_image.json") << R"({"width": 160, "height": 128, "steps": 1, "guidance": 1.0})";
  const fs::path dump = folder_ / "dump";
  const Outcome outcome =
      run_program({"generate", "a cat", "--threads", "1", "-o", (folder_ / "a.png").string(), "--dump", dump.string()},
                  {.input = {}, .folder = "/", .output = {}, .program = program});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(png_size(folder_ / "a.png"), "160x128");
  EXPECT_EQ(about(SafetensorsFile(dump))["steps"], 1);
}

TEST_F(Generate, TheSeedDecides) {
  const std::string first = draw({});
  EXPECT_EQ(draw({}), first);
  EXPECT_NE(draw({"--seed", "8"}), first);
}

TEST_F(Generate, LookAheadChangesNoPicture) {
  const std::string usual = draw({});
  for (const char* rows : {"off", "1", "3", "16"}) EXPECT_EQ(draw({"--look-ahead", rows}), usual) << rows;
  for (const Arguments& more : {Arguments{"--look-ahead", "17"}, Arguments{"--look-ahead", "17", "--dry-run"}}) {
    const Outcome outcome = run_program(small_picture(folder_ / "none.png", more));
    EXPECT_EQ(outcome.status, 2);
    EXPECT_NE(outcome.err.find("--look-ahead: expected auto, off or a whole number from 1 to 16, found \"17\""),
              std::string::npos)
        << outcome.err;
  }
}

TEST_F(Generate, ADrawnSeedIsPrintedAndRepeatsThePicture) {
  const Outcome outcome = run_program(small_picture(folder_ / "a.png", {"-s", "-1"}));
  std::smatch found;
  ASSERT_TRUE(std::regex_search(outcome.err, found, std::regex("seed (\\d+) "))) << outcome.out << outcome.err;
  EXPECT_EQ(draw({"--seed", found[1]}), read_file(folder_ / "a.png"));
  const Outcome other = run_program(small_picture(folder_ / "b.png", {"-s", "-1"}));
  EXPECT_EQ(other.err.find(found[0]), std::string::npos) << "the same seed twice: " << other.err;
}

TEST_F(Generate, ThePromptMayComeFromStandardInput) {
  const Arguments arguments = {"generate",
                               "-",
                               "-m",
                               small_checkpoint().string(),
                               "--no-metadata",
                               "--size",
                               "128x128",
                               "--steps",
                               "2",
                               "--seed",
                               "7",
                               "--threads",
                               "1",
                               "-o",
                               (folder_ / "in.png").string()};
  ASSERT_EQ(run_program(arguments, {.input = "a cat\n", .folder = {}, .output = {}}).status, 0);
  EXPECT_EQ(read_file(folder_ / "in.png"), draw({}));
}

TEST_F(Generate, QuietPrintsTheFilesNameAlone) {
  const Outcome outcome = run_program(small_picture(folder_ / "a.png", {"-q"}));
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out, (folder_ / "a.png").string() + "\n");
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(png_size(folder_ / "a.png"), "128x128");
}

TEST_F(Generate, GreedyTokensDoNotDependOnTheSeed) {
  const auto tokens = [&](const Arguments& more) { return dump(more).tensor("ar.generated").clone(); };
  EXPECT_TRUE(at::equal(tokens({"--greedy"}), tokens({"--greedy", "--seed", "8"})));
  EXPECT_FALSE(at::equal(tokens({}), tokens({"--seed", "8"})));
}

TEST_F(Generate, SizesAreWidthThenHeight) {
  draw({"--size", "384x256"});
  EXPECT_EQ(png_size(folder_ / "picture1.png"), "384x256");
  draw({"--size", "128X160"});
  EXPECT_EQ(png_size(folder_ / "picture2.png"), "128x160");
}

TEST_F(Generate, GuidanceOfOneSkipsTheSecondBranch) {
  const SafetensorsFile off = dump({"--cfg-scale", "1"});
  EXPECT_FALSE(off.tensors().contains("step0.uncond.out"));
  EXPECT_FALSE(off.tensors().contains("glyph.negative_embeds"));
  const SafetensorsFile on = dump({"--cfg-scale", "2.5"});
  EXPECT_TRUE(on.tensors().contains("step0.uncond.out"));
  EXPECT_EQ(about(on)["guidance"], 2.5);
}

TEST_F(Generate, TheDtypeIsWhatIsComputedIn) {
  const auto type = [](const SafetensorsFile& file) { return file.tensors().at("step0.cond.out").dtype; };
  EXPECT_EQ(type(dump({"--dtype", "float32"})), at::kFloat);
  EXPECT_EQ(type(dump({"--dtype", "bfloat16"})), at::kBFloat16);
}

TEST_F(Generate, TheLastOfARepeatedOptionCounts) {
  const SafetensorsFile file = dump({"--steps", "3", "--steps", "1"});
  EXPECT_EQ(about(file)["steps"], 1);
}

TEST_F(Generate, ADumpHasTheNamesOfEveryStage) {
  const Arguments stages = {"ar.in.input_ids",
                            "ar.in.image_grid_thw",
                            "ar.position_ids_prefill",
                            "ar.position_ids_decode",
                            "ar.generated",
                            "prior.d32_ids.0",
                            "prior.ids",
                            "glyph.call0.ids",
                            "glyph.call0.mask",
                            "glyph.prompt_embeds",
                            "glyph.negative_embeds",
                            "latents.init",
                            "sched.mu",
                            "sched.sigmas",
                            "sched.timesteps",
                            "step0.cond.out",
                            "step0.uncond.out",
                            "step1.noise_pred",
                            "step1.latents",
                            "latents.final_scaled",
                            "vae.decoded",
                            "image"};
  const Arguments inside = {"ar.logits",       "ar.prefill.layer0",   "glyph.call0.hidden",
                            "step0.cond.temb", "step0.uncond.block0", "step0.cond.norm_out"};
  const SafetensorsFile shallow = dump({});
  const SafetensorsFile deep = dump({"--dump-level", "full"});
  for (const std::string& name : stages) {
    EXPECT_TRUE(shallow.tensors().contains(name)) << name;
    EXPECT_TRUE(deep.tensors().contains(name)) << name;
  }
  for (const std::string& name : inside) {
    EXPECT_FALSE(shallow.tensors().contains(name)) << name;
    EXPECT_TRUE(deep.tensors().contains(name)) << name;
  }
  const nlohmann::json facts = about(shallow);
  EXPECT_EQ(facts["prompt"], "a cat");
  EXPECT_EQ(facts["seeds"], std::vector<uint64_t>{7});
  for (const char* stage : {"tokens", "glyphs", "steps", "pixels"}) EXPECT_TRUE(facts["seconds"].contains(stage));
}

TEST_F(Generate, SpecialTokensInAPromptAreTextUnlessAsked) {
  const auto length = [&](const Arguments& more) {
    const fs::path file = folder_ / "ids";
    Arguments all = {"generate",   "a <sop> cat", "-y", "-m", small_checkpoint().string(),    "--size",
                     "128x128",    "--steps",     "1",  "-o", (folder_ / "ids.png").string(), "--dump",
                     file.string()};
    all.insert(all.end(), more.begin(), more.end());
    EXPECT_EQ(run_program(all).status, 0);
    return SafetensorsFile(file).tensors().at("ar.in.input_ids").shape.at(1);
  };
  EXPECT_LT(length({"--parse-special"}), length({}));
}

TEST_F(Generate, AReaderWhoLeftEarlyDoesNotCostThePicture) {
  const Outcome outcome =
      run_program(small_picture(folder_ / "a.png"), {.input = {}, .folder = {}, .output = {}, .nobody_reads = true});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(png_size(folder_ / "a.png"), "128x128");
}

TEST_F(Generate, AFullStandardOutputIsToldAndKeepsThePicture) {
  const Outcome outcome =
      run_program(small_picture(folder_ / "a.png"), {.input = {}, .folder = {}, .output = "/dev/full"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("the pictures are in their files"), std::string::npos) << outcome.err;
  EXPECT_EQ(png_size(folder_ / "a.png"), "128x128");
}

}  // namespace
}  // namespace glm
