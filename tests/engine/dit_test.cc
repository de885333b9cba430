// The DiT: each step fed with upstream's latents, tokens and glyph embeddings.
#include "engine/components/dit.h"

#include <ATen/ATen.h>

#include "engine/components/flow_schedule.h"
#include "kernels/random.h"
#include "tests/engine/cases.h"

namespace glm {
namespace {

class StepsStage : public StageTest {
 protected:
  bool guided() const { return golden.parameters().at("cfg").get<double>() > 1; }

  std::vector<DitBranch> branches() {
    const at::Tensor ids = golden.tensor("prior.ids");
    std::vector<DitBranch> all = {
        model.dit.branch(golden.tensor("glyph.prompt_embeds"), ids, false, tap() / "step0.cond")};
    seen_references = conditions({});
    for (const Condition& condition : seen_references) all[0].conditions.push_back(&condition);
    if (guided())
      all.push_back(model.dit.branch(golden.tensor("glyph.negative_embeds"), ids, true, tap() / "step0.uncond"));
    return all;
  }

  std::vector<Condition> seen_references;

  // Velocities of step k for upstream's `latents`, compared with upstream's.
  void compare_step(int64_t k, const at::Tensor& latents) {
    const FlowSchedule schedule(model.config.schedule, 4 * grid().height * grid().width,
                                golden.parameters().at("steps"));
    const std::string step = "step" + std::to_string(k);
    std::vector<Tap> taps = {tap() / (step + ".cond"), tap() / (step + ".uncond")};
    taps.resize(guided() ? 2 : 1);
    const at::Tensor v = model.dit.forward(latents, branches(), model.dit.canvas(model.config.geometry(grid())),
                                           schedule.timesteps[static_cast<size_t>(k)] - 1.0, taps);
    EXPECT_TRUE(golden.matches(step + ".cond.out", v.slice(0, 0, 1), tolerance::kStage));
    if (guided()) {
      EXPECT_TRUE(golden.matches(step + ".uncond.out", v.slice(0, 1, 2), tolerance::kStage));
    }
  }
};

TEST_P(StepsStage, FirstStepIsUpstreams) {
  compare_step(0, RandomNumbers::of(golden.request().rng, golden.parameters().at("seed"))
                      .normal(latent_shape(), at::kFloat));  // bit-equal: room 5
  const int inside = compare_seen("step0.", tolerance::kStage);
  // temb, image_hidden, prior_hidden, glyph_hidden, norm_out and two for each block
  if (golden.parameters().at("level") == "full") {
    EXPECT_EQ(inside, 5 + 2 * model.config.dit.layers);
  }
}

// Every step whose beginning the golden holds whole.
using DitLaterStages = StepsStage;

TEST_P(DitLaterStages, LaterStepsAreUpstreams) {
  for (int64_t k = 1; k < golden.parameters().at("steps"); ++k) {
    compare_step(k, golden.tensor("step" + std::to_string(k - 1) + ".latents"));
  }
}

const std::vector<std::string> kEmbeds = {"glyph.prompt_embeds"};

INSTANTIATE_TEST_SUITE_P(Upstream, StepsStage, testing::ValuesIn(float32_cases(kEmbeds)), case_name);
INSTANTIATE_TEST_SUITE_P(Upstream, DitLaterStages,
                         testing::ValuesIn(float32_cases({"glyph.prompt_embeds", "step0.latents", "step1.latents"})),
                         case_name);

}  // namespace
}  // namespace glm
