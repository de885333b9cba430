#!/usr/bin/env bash
# Who may include whom. Prints each include that points back and fails.  layering.sh [folder]
#   base ← {kernels, tokenizer} ← engine ← {api, cli};  all ← tests
#   inside engine: {picture files, resize, reference_size} alone; {safetensors, config, device, kernel_check and what it needs} ← {upload, random_weights} ← weights ← layers ← components ← prior ← picture_run ← pipeline
set -euo pipefail
cd "${1:-.}"
failed=0

# forbid FILES PATTERN: no file of the glob may include what matches
forbid() {
  local hits
  hits=$(grep -nE "^#include [<\"]($2)" $1 2>/dev/null || true)
  [ -z "$hits" ] || { echo "$hits"; failed=1; }
}

forbid "base/*"      "(kernels|tokenizer|engine|api|cli|tests)/|ATen/|c10/|torch/"
forbid "kernels/*"   "(tokenizer|engine|api|cli|tests)/"
forbid "tokenizer/*" "(kernels|engine|api|cli|tests)/|ATen/|c10/|torch/"
forbid "engine/*"    "(api|cli|tests)/"
forbid "api/* cli/*" "(kernels|tokenizer|tests)/|ATen/|c10/|torch/"
forbid "api/*"       "cli/"
forbid "cli/*"       "api/"
public="cancel devices encode image kernel_report picture_file pipeline plan rng"
forbid "api/* cli/*" "engine/($(ls engine | sed -n 's/\.h$//p' | grep -vxE "${public// /|}" | paste -sd'|'))\.h"

# Public headers hold no LibTorch type.
forbid "engine/config.h $(printf 'engine/%s.h ' $public) base/*.h" "ATen/|c10/|torch/"
# <torch/torch.h> takes 14 s a file and is needed nowhere.
forbid "kernels/* engine/* cli/*" "torch/"

forbid "engine/safetensors.* engine/config.* engine/device* engine/upload.* engine/random_weights.* engine/tap.h engine/random.* engine/image.* engine/kernel_* engine/*trial*" \
  "engine/(weights|layers|rope|kv_cache|flow_schedule|prior|prior_transformer|vision_tower|image_tokenizer|glyph_encoder|dit|vae|model|references|settings|prior_stage|stage_tensors|picture_run|pipeline)\.h"
forbid "engine/weights.*" "engine/(layers|rope|kv_cache|prior|prior_transformer|vision_tower|image_tokenizer|glyph_encoder|dit|vae|model|references|settings|prior_stage|stage_tensors|picture_run|pipeline)\.h"
forbid "engine/layers.* engine/rope.* engine/kv_cache.* engine/flow_schedule.*" \
  "engine/(prior|prior_transformer|vision_tower|image_tokenizer|glyph_encoder|dit|vae|model|references|settings|prior_stage|stage_tensors|picture_run|pipeline)\.h"
# Picture files, sizes and resizing stand alone: a program without LibTorch can use them.
pictures="encode image picture_file picture_raster reference_size resize"
for own in $pictures encode_jpeg encode_png encode_webp picture_bmp picture_colour picture_exif picture_gif picture_jpeg picture_png picture_webp; do
  others=$(ls engine | sed -n 's/\.h$//p' | grep -vxE "${pictures// /|}" | paste -sd'|')
  forbid "engine/$own.*" "(kernels|tokenizer)/|ATen/|c10/|torch/|engine/($others)\.h"
done
# Components don't know each other.
components="prior_transformer vision_tower image_tokenizer glyph_encoder dit vae"
for own in $components; do
  others=$(echo $components | tr ' ' '\n' | grep -vx "$own" | paste -sd'|')
  forbid "engine/$own.*" "engine/($others|prior|model|references|settings|prior_stage|stage_tensors|picture_run|pipeline)\.h"
done
forbid "engine/prior.*" "engine/(vision_tower|image_tokenizer|glyph_encoder|dit|vae|model|references|settings|prior_stage|stage_tensors|picture_run|pipeline)\.h"
forbid "engine/model.*" "engine/(prior|references|settings|prior_stage|stage_tensors|picture_run|pipeline)\.h"
forbid "engine/references.* engine/settings.* engine/prior_stage.* engine/stage_tensors.* engine/latent_preview.*" "engine/picture_run\.h"
forbid "engine/references.*" "engine/pipeline\.h"

[ $failed = 0 ] || { echo "layering.sh: these includes point the wrong way; see the head of tests/style/layering.sh" >&2; exit 1; }
