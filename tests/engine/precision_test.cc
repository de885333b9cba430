// bf16: with upstream's tokens and noise, logits and noise predictions point where upstream's do, and so does the
// picture.
#include <ATen/ATen.h>

#include <cstdlib>

#include "engine/run/prior.h"
#include "tests/engine/bfloat16_picture.h"
#include "tests/support/compare.h"

namespace glm {
namespace {

class Bfloat16 : public Bfloat16Picture {
 protected:
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
  const char* const kernels = std::getenv("GLM_TEST_KERNELS");  // of LoadOptions
  const Pipeline pipeline(model.folder, {.dtype = "bfloat16",
                                         .device = test_device_name(),
                                         .kernels = kernels == nullptr ? "auto" : kernels,
                                         .threads = 1});
  compare_picture([&](const Request& request) { pipeline.generate(request, {}); });
}

INSTANTIATE_TEST_SUITE_P(Upstream, Bfloat16, testing::ValuesIn(bfloat16_cases()), case_name);

}  // namespace
}  // namespace glm
