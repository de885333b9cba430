#include "engine/run/pixels_stage.h"

#include <ATen/ATen.h>

#include "engine/components/layers/finite.h"

namespace glm {
namespace {

Image decoded(const StageContext& c, const at::Tensor& scaled) {
  c.tap.stage("latents.final_scaled", scaled);
  const at::Tensor pixels = c.model.vae.decode(scaled);
  c.tap.stage("vae.decoded", pixels);
  FiniteWatch watch;
  watch.see(pixels);
  watch.check("picture's pixels");
  const Settings& s = c.settings;
  const at::Tensor bytes =  // u8 [1, H, W, 3], cropped to the size that was asked
      pixels_to_bytes(pixels).slice(1, 0, s.height).slice(2, 0, s.width).cpu().contiguous();
  c.tap.stage("image", bytes);
  const auto* data = bytes.const_data_ptr<uint8_t>();
  return {s.width, s.height, {data, data + bytes.numel()}};
}

}  // namespace

Picture decode_picture(const StageContext& c, const PictureJob& job, const at::Tensor& scaled) {
  Picture picture;
  c.progress.timed(Stage::pixels, [&] {
    c.progress.tell_of(job.index, Stage::pixels, 0, 1);
    picture = {job.seed, decoded(c, scaled)};
  });
  return picture;
}

}  // namespace glm
