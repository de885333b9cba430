#!/usr/bin/env bash
# Which wheels does a machine get? Machines are made of a PATH with or without nvcc and a driver's program.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
for tool in bash dirname readlink sed cat; do ln -s "$(command -v $tool)" "$tools/$tool"; done

# expect KIND WHAT
expect() {
  local found
  found=$(PATH=$tools CUDA_HOME=/nonexistent bash third_party/install.sh --which 2>"$tools/messages")
  [ "$found" = "$1" ] || { echo "$2: expected $1, found $found"; exit 1; }
}
nvcc() {   # a toolkit of this release
  printf '#!/bin/sh\necho "Cuda compilation tools, release %s, V%s.88"\n' "$1" "$1" >"$tools/nvcc"
  chmod +x "$tools/nvcc"
}

if [ ! -e /proc/driver/nvidia/version ] && [ ! -e /dev/dxg ]; then
  expect cpu "a machine with neither"
  nvcc 12.8
  expect cpu "an old toolkit without a driver"
  grep -q "nvcc 12 found" "$tools/messages" || { echo "an old toolkit is passed over without a word"; exit 1; }
fi
nvcc 13.0
expect toolkit "a new toolkit"
printf '#!/bin/sh\n' >"$tools/nvidia-smi"
chmod +x "$tools/nvidia-smi"
expect toolkit "a new toolkit and a driver"
nvcc 12.8
expect full "an old toolkit and a driver"
rm "$tools/nvcc"
expect full "a driver alone"
