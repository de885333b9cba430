#!/usr/bin/env bash
# Who may include whom: one rule for each folder, so that a new file has its rules by where it lies. Prints each include
# that points the wrong way, and each folder without a rule, and fails.  layering.sh [tree]
#
# A rule lists the folders whose headers a file may include. "torch" stands for LibTorch, "own" for the file's own header.
set -euo pipefail
cd "${1:-.}"
find include base kernels tokenizer pictures network media engine tasks api cli -type f -regextype egrep -regex '.*[.](h|hh|hpp|hxx|inc|c|cc|cpp|cxx|cu|cuh)' |
  sort | xargs awk '
  BEGIN {
    low = "glm base"
    tensors = low " torch kernels kernels/cuda kernels/host engine/device"
    rule["include"] = ""
    rule["include/glm"] = "glm"
    rule["base"] = low
    rule["tokenizer"] = low " tokenizer"
    rule["pictures"] = low " pictures"
    rule["network"] = low " network"
    rule["media"] = low " pictures media"
    rule["kernels"] = low " torch kernels kernels/cuda kernels/host kernels/packers"
    rule["kernels/host"] = "torch kernels kernels/host"
    rule["kernels/packers"] = "torch kernels kernels/cuda kernels/packers"
    rule["kernels/cuda"] = rule["kernels/cuda/formats"] = "kernels kernels/cuda kernels/cuda/formats"
    rule["engine/device"] = tensors
    rule["engine/device/trust"] = tensors " engine/device/trust"
    rule["engine/checkpoint"] = tensors " engine/checkpoint"
    rule["engine/components/layers"] = tensors " engine/checkpoint engine/components/layers"
    rule["engine/components"] = tensors " engine/checkpoint engine/components/layers own"
    rule["engine/run"] = tensors " tokenizer pictures engine/device/trust engine/checkpoint engine/components/layers engine/components engine/run"
    rule["engine"] = rule["engine/run"] " engine"
    rule["tasks"] = low " pictures network media tasks"
    rule["api"] = low " c api"
    rule["cli"] = low " cli"
  }
  FNR == 1 {
    folder = FILENAME
    sub("/[^/]*$", "", folder)
    own = FILENAME
    sub("[.][a-z]*$", ".h", own)
    if (!(folder in rule) && !told[folder]++) print folder ": expected a rule in tests/style/layering.sh, found none"
  }
  # Of what stands in angle brackets, LibTorch and the project itself.
  /^[ \t]*#[ \t]*include[ \t]*("|<(ATen|c10|torch|glm|base|kernels|tokenizer|pictures|network|media|engine|tasks|api|cli)[\/]|<glm_image)/ {
    split($0, part, "[<>\"]")
    to = part[2]
    if (to ~ /^(ATen|c10|torch)\//) to = "torch"
    else if (to == "glm_image.h") to = "c"
    else if (to == own && folder == "engine/components") to = "own"
    else sub("/[^/]*$", "", to)
    # A header whose functions the top of engine/ defines: nothing below may call them.
    top = part[2] ~ /^glm\// && folder ~ /^engine\// && system("test -e engine/" substr(part[2], 5, length(part[2]) - 5) "cc") == 0
    # <torch/torch.h> takes 14 s a file and is needed nowhere.
    if (top || part[2] ~ /^torch\// || index(" " rule[folder] " ", " " to " ") == 0) print FILENAME ":" FNR ": " $0
  }' | { ! grep . || { echo "these includes point the wrong way; the rules stand in tests/style/layering.sh" >&2; exit 1; }; }
