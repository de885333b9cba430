// Reference pictures: what the stages take from each, and a store of the latest ones' results for the next call.
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
  Image vision;         // resized for the vision tower
  Image pixels;         // resized for the VAE; all members below follow from these two
  Grid grid;            // the grid of its tokens
  at::Tensor ids;       // i64 [1, gh * gw], on the CPU
  at::Tensor mean;      // [1, C, h, w], the VAE encoder's latents, not normalised
  Condition condition;  // the keys and values that the DiT's branch with the prompt sees

  int64_t bytes() const;
};

// Returns the grid of a reference's tokens; resizes nothing.
Grid reference_grid(const ModelConfig& c, const Image& picture);
// Resizes a reference. The result has both pictures and the grid; its other members are empty.
Reference resize_reference(const ModelConfig& c, const Image& picture);

at::Tensor pixel_tensor(const Image& image);  // -> u8 [1, 3, H, W]

// Holds the references that were used last, up to a limit in bytes.
class ReferenceStore {
 public:
  explicit ReferenceStore(int64_t limit) : limit_(limit) {}

  // Returns the reference that was made from these two pictures, or null. It counts as used now.
  std::shared_ptr<const Reference> find(const Image& vision, const Image& pixels);
  void add(const std::shared_ptr<const Reference>& reference);
  void clear() { references_.clear(); }

  size_t count() const { return references_.size(); }
  int64_t bytes() const;

 private:
  int64_t limit_;
  std::vector<std::shared_ptr<const Reference>> references_;  // the one used last comes last
};

// Throws Error(usage) when an injected tensor doesn't fit references of these grids, and names it.
void check_injected_references(const ModelConfig& c, const std::vector<Grid>& grids, const Injection& injected);

// Reads the references in order. What the store has isn't computed again. prior.source0.ids (of all references) and
// vae.cond{i}.mean may be injected. done: called with the number of references that are read. Throws Error(model) when
// features or latents aren't finite. Taps ar.vq_ids, prior.source0.ids and .grid, vae.cond{i}.pixels and .mean. At
// level full also vision.*, vq.quant_conv (of the last reference), dit.write{i}.*, dit.kv.sample0.*.
std::vector<std::shared_ptr<const Reference>> read_references(const Model& m, const std::vector<Image>& pictures,
                                                              ReferenceStore& store, const Injection& injected,
                                                              const StepDone& done, const Tap& tap);

// Throws Error(usage) when injected ids of a prompt, i64 [1, L], lack the places for references of these grids.
void check_places(const at::Tensor& ids, const std::vector<Grid>& grids, const Model& m);

// Returns a prompt's ids with the references' tokens in the places that its layout has for them. i64 [1, L] -> [1, L]
// Upstream: get_placeholder_mask and what follows it
at::Tensor place_tokens(const at::Tensor& ids, const std::vector<std::shared_ptr<const Reference>>& references);

}  // namespace glm
