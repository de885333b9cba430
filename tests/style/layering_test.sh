#!/usr/bin/env bash
# layering.sh must see a wrong arrow: in a small tree that is right, and then with one wrong include at a time.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
for file in include/glm_image include/glm/pipeline base/json kernels/op kernels/cuda/body tokenizer/text pictures/raster network/network media/store \
  tasks/run engine/{device/device,device/trust/kernel_check,checkpoint/weights,components/dit,components/layers/linear,run/model,boundary} api/export cli/main; do
  mkdir -p "$tree/$(dirname "$file")"
  : >"$tree/$file.h"
done
cat >"$tree/engine/components/dit.cc" <<'END'
#include "engine/components/dit.h"

#include <ATen/ATen.h>

#include "engine/components/layers/linear.h"
#include "glm/pipeline.h"
END
bash "$here/layering.sh" "$tree" || { echo "a right tree was refused"; exit 1; }

while read -r file include; do
  : >>"$tree/$file"
  cp "$tree/$file" "$tree/kept"
  echo "#include $include" >>"$tree/$file"
  if bash "$here/layering.sh" "$tree" >/dev/null 2>&1; then echo "not seen: $file includes $include"; exit 1; fi
  mv "$tree/kept" "$tree/$file"
done <<'END'
include/glm_image.h "glm/pipeline.h"
include/glm/pipeline.h "base/json.h"
include/glm/pipeline.h <ATen/core/Tensor.h>
base/json.h "engine/checkpoint/weights.h"
base/json.h <c10/core/Device.h>
kernels/op.h "engine/components/layers/linear.h"
kernels/op.h "tokenizer/text.h"
kernels/cuda/body.h <ATen/core/Tensor.h>
tokenizer/text.h "kernels/op.h"
tokenizer/text.h <ATen/core/Tensor.h>
pictures/raster.h "tokenizer/text.h"
pictures/raster.h <ATen/core/Tensor.h>
network/network.h "media/store.h"
media/store.h "network/network.h"
engine/device/device.h "engine/device/trust/kernel_check.h"
engine/device/device.h "engine/checkpoint/weights.h"
engine/checkpoint/weights.h "engine/device/trust/kernel_check.h"
engine/checkpoint/weights.h "engine/components/layers/linear.h"
engine/components/layers/linear.h "engine/components/dit.h"
engine/components/vae.h "engine/components/dit.h"
engine/components/dit.h "engine/run/model.h"
engine/components/dit.h "tokenizer/text.h"
engine/components/dit.cc <torch/torch.h>
engine/run/model.h "engine/boundary.h"
tasks/run.h "engine/run/model.h"
tasks/run.h <ATen/core/Tensor.h>
engine/boundary.h "tasks/run.h"
engine/boundary.h "cli/main.h"
engine/boundary.h "glm_image.h"
api/export.h "engine/boundary.h"
cli/main.h "engine/run/model.h"
cli/main.h "glm_image.h"
cli/main.h "tokenizer/text.h"
cli/main.h <engine/run/model.h>
cli/other.cpp "engine/run/model.h"
cli/other.hpp "engine/run/model.h"
END
for form in '#  include "engine/run/model.h"' $'\t#include "engine/run/model.h"' '#include"engine/run/model.h"'; do
  echo "$form" >"$tree/cli/other.h"
  if bash "$here/layering.sh" "$tree" >/dev/null 2>&1; then echo "not seen: $form"; exit 1; fi
done
rm "$tree/cli/other.h"
mkdir "$tree/engine/attic"
: >"$tree/engine/attic/old.h"
echo '#pragma once' >"$tree/engine/attic/old.h"
if bash "$here/layering.sh" "$tree" >/dev/null 2>&1; then echo "not seen: a folder without a rule"; exit 1; fi
