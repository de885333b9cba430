#include "tests/engine/bfloat16_picture.h"

#include <ATen/ATen.h>

#include "engine/run/references.h"
#include "tests/support/compare.h"

namespace glm {

void Bfloat16Picture::compare_picture(const std::function<void(const Request&)>& draw) const {
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
  draw(request);

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

}  // namespace glm
