#!/usr/bin/env bash
# layering.sh must see a wrong arrow: in a small tree that is right, and then with one wrong include at a time.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir "$tree"/{base,kernels,tokenizer,engine,api,cli}
for file in base/error kernels/op tokenizer/text engine/{config,image,picture_file,weights,layers,prior_transformer,glyph_encoder,dit,vae,prior,model,picture_run,pipeline} api/glm_image cli/main; do
  : >"$tree/$file.h"
done
bash "$here/layering.sh" "$tree" || { echo "a right tree was refused"; exit 1; }

while read -r file include; do
  echo "#include $include" >"$tree/$file"
  if bash "$here/layering.sh" "$tree" >/dev/null 2>&1; then echo "not seen: $file includes $include"; exit 1; fi
  : >"$tree/$file"
done <<'END'
base/error.h "engine/config.h"
base/error.h <ATen/ATen.h>
kernels/op.h "engine/layers.h"
tokenizer/text.h "kernels/op.h"
tokenizer/text.h <ATen/core/Tensor.h>
engine/config.h "engine/weights.h"
engine/weights.h "engine/layers.h"
engine/layers.h "engine/dit.h"
engine/picture_file.h "engine/config.h"
engine/picture_file.h <ATen/core/Tensor.h>
engine/dit.h "engine/vae.h"
engine/vae.h "engine/prior.h"
engine/vision_tower.h "engine/image_tokenizer.h"
engine/references.h "engine/picture_run.h"
engine/prior.h "engine/model.h"
engine/model.h "engine/pipeline.h"
engine/pipeline.h <ATen/core/Tensor.h>
engine/dit.h <torch/torch.h>
engine/dit.h "cli/main.h"
cli/main.h "engine/dit.h"
cli/main.h "api/glm_image.h"
api/glm_image.h "engine/dit.h"
engine/pipeline.h "api/glm_image.h"
cli/main.h "tokenizer/text.h"
END
