#include "engine/run/references.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/refuse.h"
#include "engine/components/layers/finite.h"
#include "engine/run/prior.h"
#include "glm/error.h"
#include "pictures/reference_size.h"
#include "pictures/resize.h"

namespace glm {
namespace {

bool same(const Image& a, const Image& b) {
  return a.width == b.width && a.height == b.height && a.rgb == b.rgb;
}

// Collects what the references' taps hand in, and hands it on as one tensor: upstream's tower has the rows of all
// references in one.
class Rows {
 public:
  Tap tap(const Tap& to) {
    if (!to.wants_full()) return {};
    return {[this](const std::string& name, const at::Tensor& value) { rows_[name].push_back(value); },
            Tap::Level::full};
  }
  void hand_on(const Tap& to) const {
    for (const auto& [name, values] : rows_) to.full(name, at::cat(values));
  }

 private:
  std::map<std::string, std::vector<at::Tensor>> rows_;
};

// Returns the injected ids of all references, four for each token, i64 [Σ N], or nothing.
std::optional<at::Tensor> injected_source_ids(const ModelConfig& c, const std::vector<Grid>& grids,
                                              const Injection& injected) {
  int64_t count = 0;
  for (const Grid& grid : grids) count += c.geometry(grid).patches.cells();
  return injected.ids("prior.source0.ids", {count}, c.generation.codebook);
}

std::string mean_name(size_t index) {
  return "vae.cond" + std::to_string(index) + ".mean";
}

class ReferenceReader {
 public:
  ReferenceReader(const Model& m, ReferenceStore& store, const Injection& injected, const Tap& tap)
      : m_(m), store_(store), injected_(injected), tap_(tap) {}

  std::vector<std::shared_ptr<const Reference>> read(const std::vector<Image>& pictures, const StepDone& done) {
    const auto total = static_cast<int64_t>(pictures.size());
    done(0, total);
    std::vector<Reference> all;
    all.reserve(pictures.size());
    for (const Image& picture : pictures) all.push_back(resize_reference(m_.config, picture));
    inject_ids(all);
    std::vector<std::shared_ptr<const Reference>> read;
    for (size_t i = 0; i < all.size(); ++i) {
      read.push_back(complete(std::move(all[i]), i, i + 1 == all.size()));
      done(static_cast<int64_t>(i) + 1, total);
    }
    rows_.hand_on(tap_ / "vision");
    hand_on(read);
    return read;
  }

 private:
  // The injected ids are those of the DiT's patches, four for each token. The first of the four is the token.
  void inject_ids(std::vector<Reference>& all) const {
    std::vector<Grid> grids;
    grids.reserve(all.size());
    for (const Reference& r : all) grids.push_back(r.grid);
    const auto injected = injected_source_ids(m_.config, grids, injected_);
    if (!injected) return;
    int64_t begin = 0;
    for (Reference& r : all) {
      const int64_t end = begin + 4 * r.grid.cells();
      r.ids = injected->slice(0, begin, end)
                  .view({r.grid.height, 2, r.grid.width, 2})
                  .select(3, 0)
                  .select(1, 0)
                  .reshape({1, r.grid.cells()});
      begin = end;
    }
  }

  // Computes what follows from the two pictures, or takes the reference from the store.
  std::shared_ptr<const Reference> complete(Reference r, size_t index, bool last) {
    const std::string number = std::to_string(index);
    const auto mean = injected_.values(mean_name(index), m_.config.latent_shape(r.grid), m_.dtype);
    const bool plain = !r.ids.defined() && !mean && !tap_.wants_full();
    if (plain) {
      if (auto known = store_.find(r.vision, r.pixels)) return known;
    }
    if (!r.ids.defined()) r.ids = tokens(r, last);
    r.mean = mean ? *mean : m_.vae_encoder.encode(bytes_to_pixels(pixel_tensor(r.pixels)));
    FiniteWatch watch;
    watch.see(r.mean);
    watch.check("reference's latents");
    r.condition = m_.dit.condition(m_.vae_encoder.normalize(r.mean), upsample_ids(r.ids, r.grid),
                                   m_.dit.canvas(m_.config.geometry(r.grid)), tap_ / ("dit.write" + number));
    auto whole = std::make_shared<const Reference>(std::move(r));
    if (plain) store_.add(whole);
    return whole;
  }

  at::Tensor tokens(const Reference& r, bool last) {  // -> i64 [1, gh * gw]
    const at::Tensor pixels = normalized_pixels(pixel_tensor(r.vision), m_.config.preprocessor);
    const at::Tensor features = m_.vision_tower.forward(pixels, rows_.tap(tap_));
    FiniteWatch watch;
    watch.see(features);
    watch.check("reference's features");
    return m_.image_tokenizer.forward(features, r.grid, last ? tap_ / "vq" : Tap()).cpu().unsqueeze(0);
  }

  void hand_on(const std::vector<std::shared_ptr<const Reference>>& read) const {
    if (!tap_.wanted()) return;
    std::vector<at::Tensor> ids, upsampled, grids;
    for (size_t i = 0; i < read.size(); ++i) {
      const Reference& r = *read[i];
      const Tap tap = tap_ / ("vae.cond" + std::to_string(i));
      tap.stage("pixels", bytes_to_pixels(pixel_tensor(r.pixels)).to(m_.dtype));
      tap.stage("mean", r.mean);
      ids.push_back(r.ids[0]);
      upsampled.push_back(upsample_ids(r.ids, r.grid)[0]);
      grids.push_back(at::tensor({int64_t{1}, 2 * r.grid.height, 2 * r.grid.width}, at::kLong));
    }
    tap_.stage("ar.vq_ids", at::cat(ids));
    tap_.stage("prior.source0.ids", at::cat(upsampled));
    tap_.stage("prior.source0.grid", at::stack(grids));
    if (!tap_.wants_full()) return;
    for (size_t layer = 0; layer < read[0]->condition.layers.size(); ++layer) {
      std::vector<at::Tensor> k, v;
      for (const auto& r : read) {
        k.push_back(r->condition.layers[layer].k);
        v.push_back(r->condition.layers[layer].v);
      }
      const Tap tap = tap_ / ("dit.kv.sample0.layer" + std::to_string(layer));
      tap.full("k", at::cat(k, 1));
      tap.full("v", at::cat(v, 1));
    }
  }

  const Model& m_;
  ReferenceStore& store_;
  const Injection& injected_;
  Tap tap_;
  Rows rows_;
};

}  // namespace

at::Tensor pixel_tensor(const Image& image) {
  // Contiguous: with the channels side by side, ATen's fp32 convolutions on a CPU sum in another order, and are 5e-5
  // off at 512 x 512 pixels. Upstream's tensors lie that way.
  return at::from_blob(const_cast<uint8_t*>(image.rgb.data()), {1, image.height, image.width, 3}, at::kByte)
      .permute({0, 3, 1, 2})
      .contiguous();
}

namespace {

ReferenceSize size_of(const ModelConfig& c, const Image& picture) {
  return reference_size(picture.width, picture.height,
                        {.cell = c.vision.patch,
                         .min_pixels = c.preprocessor.min_pixels,
                         .max_pixels = c.preprocessor.max_pixels,
                         .vae_cell = c.cell()});
}

}  // namespace

Grid reference_grid(const ModelConfig& c, const Image& picture) {
  const ReferenceSize size = size_of(c, picture);
  return {size.rows, size.columns};
}

Reference resize_reference(const ModelConfig& c, const Image& picture) {
  const ReferenceSize size = size_of(c, picture);
  return {.vision = resize_bicubic(picture, size.vision_width, size.vision_height),
          .pixels = resize_lanczos(picture, size.vae_width, size.vae_height),
          .grid = {size.rows, size.columns},
          .ids = {},
          .mean = {},
          .condition = {}};
}

void check_injected_references(const ModelConfig& c, const std::vector<Grid>& grids, const Injection& injected) {
  if (grids.empty()) return;
  injected_source_ids(c, grids, injected);
  for (size_t i = 0; i < grids.size(); ++i) injected.check_values(mean_name(i), c.latent_shape(grids[i]));
}

int64_t Reference::bytes() const {
  return static_cast<int64_t>(vision.rgb.size() + pixels.rgb.size() + ids.nbytes() + mean.nbytes()) + condition.bytes();
}

std::shared_ptr<const Reference> ReferenceStore::find(const Image& vision, const Image& pixels) {
  const auto found = std::find_if(references_.begin(), references_.end(),
                                  [&](const auto& r) { return same(r->vision, vision) && same(r->pixels, pixels); });
  if (found == references_.end()) return nullptr;
  std::rotate(found, found + 1, references_.end());
  return references_.back();
}

void ReferenceStore::add(const std::shared_ptr<const Reference>& reference) {
  if (reference->bytes() > limit_) return;
  references_.push_back(reference);
  while (bytes() > limit_) references_.erase(references_.begin());
}

int64_t ReferenceStore::bytes() const {
  int64_t sum = 0;
  for (const auto& r : references_) sum += r->bytes();
  return sum;
}

std::vector<std::shared_ptr<const Reference>> read_references(const Model& m, const std::vector<Image>& pictures,
                                                              ReferenceStore& store, const Injection& injected,
                                                              const StepDone& done, const Tap& tap) {
  return ReferenceReader(m, store, injected, tap).read(pictures, done);
}

void check_places(const at::Tensor& ids, const std::vector<Grid>& grids, const Model& m) {
  int64_t begin = 1;
  for (const Grid& grid : grids) {
    const int64_t cells = grid.cells();
    const at::Tensor place = ids.slice(1, begin, begin + cells);
    // With random weights the tokenizer may be another model's, with another id for these places.
    const bool named = m.random_weights || (place == m.config.generation.image_token).all().item<bool>();
    if (place.size(1) != cells || !named) {
      refuse(ErrorCode::usage, "can't inject ar.in.input_ids",
             std::to_string(cells) + " ids of " + m.layout_tokens.image + " from position " + std::to_string(begin) +
                 " for a reference's tokens",
             "others", "inject a dump of the same references");
    }
    begin += reference_length(grid);
  }
}

at::Tensor place_tokens(const at::Tensor& ids, const std::vector<std::shared_ptr<const Reference>>& references) {
  at::Tensor placed = ids.clone();
  int64_t begin = 1;
  for (const auto& reference : references) {
    placed.slice(1, begin, begin + reference->grid.cells()).copy_(reference->ids);
    begin += reference_length(reference->grid);
  }
  return placed;
}

}  // namespace glm
