// Reference pictures: what the stages take of each, and the last ones' results kept for the next call.
// Upstream: GlmImagePipeline.generate_prior_tokens and __call__, the parts for `image`
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/components/dit.h"
#include "engine/components/layers/tap.h"
#include "engine/run/injection.h"
#include "engine/run/model.h"
#include "engine/run/progress.h"
#include "glm/image.h"

namespace glm {

struct Reference {
  Image vision;         // as the vision tower sees it
  Image pixels;         // as the VAE sees it; all below follows from these two
  Grid grid;            // of its tokens
  at::Tensor ids;       // i64 [1, h * w], on the CPU
  at::Tensor mean;      // [1, C, h, w], the VAE's latents
  Condition condition;  // what the decoder's branch with the prompt sees

  int64_t bytes() const;
};

// The grid of a reference's tokens. Arithmetic alone.
Grid reference_grid(const ModelConfig& c, const Image& picture);
// The two pictures and the grid of a reference; what follows from them is left empty.
Reference resize_reference(const ModelConfig& c, const Image& picture);

at::Tensor bytes_of(const Image& image);  // -> u8 [1, 3, H, W]

// Keeps the references that were used last, up to a limit in bytes.
class ReferenceStore {
 public:
  explicit ReferenceStore(int64_t limit) : limit_(limit) {}

  // The one made of these two pictures, or nothing.
  std::shared_ptr<const Reference> find(const Image& vision, const Image& pixels);
  void keep(const std::shared_ptr<const Reference>& reference);
  void clear() { kept_.clear(); }

  size_t count() const { return kept_.size(); }
  int64_t bytes() const;

 private:
  int64_t limit_;
  std::vector<std::shared_ptr<const Reference>> kept_;  // the one used last comes last
};

// Do the injected tensors fit references of these grids? Error(usage) names the one that doesn't.
void check_injected_references(const ModelConfig& c, const std::vector<Grid>& grids, const Injection& injected);

// Injected are prior.source0.ids, of all references, and vae.cond{i}.mean. Taps: ar.vq_ids, prior.source0.ids and
// .grid, vae.cond{i}.pixels and .mean; inside: vision.*, vq.quant_conv (of the last), dit.write{i}.*, dit.kv.sample0.*.
std::vector<std::shared_ptr<const Reference>> read_references(const Model& m, const std::vector<Image>& pictures,
                                                              ReferenceStore& store, const Injection& injected,
                                                              const StepDone& done, const Tap& tap);

// Throws Error(usage) for a prompt's ids i64 [1, L], injected ones, that lack the places of references of these grids.
void check_places(const at::Tensor& ids, const std::vector<Grid>& grids, const Model& m);

// A prompt's ids with the references' tokens in the places that its layout has for them. i64 [1, L] -> [1, L].
// Upstream: get_placeholder_mask and what follows it
at::Tensor place_tokens(const at::Tensor& ids, const std::vector<std::shared_ptr<const Reference>>& references);

}  // namespace glm
