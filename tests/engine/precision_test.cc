// bf16: with upstream's tokens and noise, logits and noise predictions point where upstream's do, and so does the
// picture.
#include <ATen/ATen.h>

#include "engine/run/prior.h"
#include "tests/engine/cases.h"
#include "tests/support/compare.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

class Bfloat16 : public StageTest {
 protected:
  Bfloat16() : StageTest("bfloat16") {}

  TemporaryFolder folder;

  // The same likeliest id wherever upstream's two largest logits are more than two bf16 steps apart.
  void compare_argmax(const at::Tensor& logits) const {                             // [1, n, V]
    const at::Tensor top2 = golden.tensor("ar.top2");                               // fp32 [n, 2]
    const at::Tensor step = at::exp2(at::floor(at::log2(top2.abs().amax(1))) - 7);  // bf16 has 8 bits of precision
    const at::Tensor clear = (top2.select(1, 0) - top2.select(1, 1)) > 2 * step;
    const at::Tensor differs = logits[0].argmax(-1) != golden.tensor("ar.argmax");
    ASSERT_GT(clear.sum().item<int64_t>(), 0);
    EXPECT_EQ(at::logical_and(clear, differs).sum().item<int64_t>(), 0) << "of " << clear.sum().item<int64_t>();
  }
};

TEST_P(Bfloat16, LogitsPointWhereUpstreamsDo) {
  const at::Tensor ours = forced_logits({});
  ASSERT_EQ(ours.scalar_type(), at::kBFloat16);
  if (golden.has("ar.top2")) compare_argmax(ours);
  EXPECT_GE(cosine(golden.same_elements("ar.logits", ours), golden.kept("ar.logits")), tolerance::kBf16Cosine);
}

TEST_P(Bfloat16, LogitsOfTheHostsKernelsPointWhereUpstreamsDo) {
  if (!test_device().is_cpu()) GTEST_SKIP() << "these kernels are of the CPU";
  const at::Tensor ours = host_logits(16);
  EXPECT_TRUE(at::equal(ours, host_logits(1)));
  if (golden.has("ar.top2")) compare_argmax(ours);
  const at::Tensor narrow = ours.to(at::kBFloat16);
  EXPECT_TRUE(at::equal(narrow.to(at::kFloat), ours)) << "they are rounded as upstream's";
  EXPECT_GE(cosine(golden.same_elements("ar.logits", narrow), golden.kept("ar.logits")), tolerance::kBf16Cosine);
}

TEST_P(Bfloat16, NoisePredictionsAndPictureAreClose) {
  std::map<std::string, at::Tensor> tokens = {{"ar.generated", golden.tensor("ar.generated")}};
  std::vector<at::Tensor> sources_tokens;  // near-ties of the codebook are many in bf16
  for (const at::Tensor& ids : source_ids()) {
    sources_tokens.push_back(upsample_ids(ids, sources()[sources_tokens.size()])[0]);
  }
  if (has_references()) tokens["prior.source0.ids"] = at::cat(sources_tokens);
  write_safetensors(folder / "tokens.safetensors", tokens, {});
  Request request = golden.request();
  request.inject = folder / "tokens.safetensors";
  request.dump = folder / "dump.safetensors";
  const Pipeline pipeline(model.folder, {.dtype = "bfloat16", .device = test_device_name(), .threads = 1});
  pipeline.generate(request, {});

  const SafetensorsFile dump(request.dump);
  EXPECT_TRUE(golden.bytes_equal("latents.init", dump.tensor("latents.init"))) << "the noise is upstream's";
  for (int64_t k = 0; k < *request.steps; ++k) {
    for (const char* what : {"cond.out", "uncond.out", "noise_pred"}) {
      const std::string name = "step" + std::to_string(k) + "." + what;
      if (request.guidance <= 1.0 && name.ends_with("uncond.out")) continue;  // there is no such branch
      EXPECT_GE(cosine(golden.same_elements(name, dump.tensor(name)), golden.kept(name)), tolerance::kBf16Cosine)
          << name;
    }
  }
  EXPECT_GE(psnr(golden.same_elements("image", dump.tensor("image")), golden.kept("image")), tolerance::kBf16Psnr);
}

INSTANTIATE_TEST_SUITE_P(Upstream, Bfloat16, testing::ValuesIn(bfloat16_cases()), case_name);

}  // namespace
}  // namespace glm
