// --inject: a stage tensor of an earlier run takes the place of computing it, and the picture is the same.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/cli/program.h"

namespace glm {
namespace {

namespace fs = std::filesystem;

struct Case {
  const char* tensor;
  bool prior_runs;
  bool steps_run;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.tensor;
}

class Inject : public testing::TestWithParam<Case> {};

std::map<std::string, at::Tensor> tensors_of(const SafetensorsFile& file) {
  std::map<std::string, at::Tensor> all;
  for (const auto& entry : file.tensors()) all.emplace(entry.first, file.tensor(entry.first));
  return all;
}

TEST_P(Inject, GivesTheSamePicture) {
  const TemporaryFolder folder;
  const fs::path dump = folder / "dump";
  ASSERT_EQ(run_program(small_picture(folder / "first.png", {"--dump", dump.string()})).status, 0);
  auto injected = tensors_of(SafetensorsFile(dump));
  const std::string name = GetParam().tensor;
  if (!name.empty()) injected = {{name, injected.at(name)}};
  write_safetensors(folder / "part", injected, {});

  Arguments more = {"--inject", (folder / "part").string(), "--dump", (folder / "again").string()};
  if (!GetParam().steps_run) more.insert(more.end(), {"--seed", "1"});  // nothing is drawn at random any more
  const Outcome outcome = run_program(small_picture(folder / "second.png", more));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(read_file(folder / "second.png"), read_file(folder / "first.png"));
  const SafetensorsFile again(folder / "again");
  EXPECT_EQ(again.tensors().contains("ar.position_ids_prefill"), GetParam().prior_runs);
  EXPECT_EQ(again.tensors().contains("step1.latents"), GetParam().steps_run);
  EXPECT_EQ(again.tensors().contains("step0.latents"), GetParam().steps_run && name != "step0.latents");
}

INSTANTIATE_TEST_SUITE_P(Stage, Inject,
                         testing::Values(Case{"ar.in.input_ids", true, true}, Case{"ar.generated", false, true},
                                         Case{"prior.ids", false, true}, Case{"glyph.prompt_embeds", true, true},
                                         Case{"latents.init", true, true}, Case{"step0.latents", true, true},
                                         Case{"latents.final_scaled", false, false}, Case{"", false, false}),
                         [](const auto& test) {
                           std::string name = *test.param.tensor == '\0' ? "everything" : test.param.tensor;
                           for (char& c : name) c = c == '.' ? '_' : c;
                           return name;
                         });

}  // namespace
}  // namespace glm
