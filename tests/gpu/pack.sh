#!/usr/bin/env bash
# Builds what check.sh runs and packs it into build/gpu/programs.tar.gz, for a machine that has LibTorch's wheel and a GPU
# but none of our packages.
#
#   pack.sh [BUILD_FOLDER [PROGRAM]…]
#   pack.sh --size [BUILD_FOLDER [PROGRAM]…]    builds and keeps nothing: only whether it would be small enough
set -euo pipefail
cd "$(dirname "$0")/../.."
packed=build/gpu/programs.tar.gz
to=$(mktemp -d)
trap 'rm -rf "$to"' EXIT
only_size=no
if [ "${1:-}" = --size ]; then
  shift
  only_size=yes
  packed=$to/programs.tar.gz
fi
build=${1:-build}
shift || true
programs=("$@")
[ ${#programs[@]} -gt 0 ] || programs=(gpu_kernels_tests gpu_bench glm-image engine_tests kernels_tests make_checkpoints)
limit=64000000   # bytes that travel: what git tracks, and the packed programs

gather() {
  mkdir -p "$to/gpu/lib"
  for file in "${programs[@]}" libglm_cuda.so; do strip -o "$to/gpu/$file" "$build/$file"; done
  # Libraries that come neither with the wheels nor with every Linux.
  for program in "${programs[@]}"; do ldd "$build/$program"; done | sed -nE 's/.* => (\/[^ ]+) .*/\1/p' | sort -u |
    { grep -vE '/(torch|nvidia)/|/lib(c|m|dl|rt|util|pthread|gcc_s|stdc\+\+|z|cuda|cudart|cupti)\.so' || true; } |
    while read -r library; do strip -o "$to/gpu/lib/$(basename "$library")" "$library"; done
}

check_size() {
  local tracked size
  tracked=$(git ls-files -z | xargs -0 stat -c %s | awk '{all += $1} END {print all}')   # a link is its own few
  size=$(stat -c %s "$packed")
  echo "$size bytes for the GPU's machine, and $tracked that git tracks"
  [ $((size + tracked)) -le $limit ] ||
    { echo "pack.sh: expected at most $limit bytes together, found $((size + tracked)): make tests or data smaller" >&2; exit 1; }
}

# Newest symbols that Ubuntu 24.04 has: glibc 2.39, libstdc++ 13.
check_symbols() {
  local name allowed found
  for rule in "GLIBC 2.38" "GLIBCXX 3.4.32"; do
    read -r name allowed <<<"$rule"
    found=$(find "$to/gpu" -type f -print0 | xargs -0 readelf -W --version-info 2>/dev/null |
      { grep -oE "${name}_[0-9.]+" || true; } | sed 's/.*_//' | sort -Vu | tail -n 1 || true)
    [ "$(printf '%s\n' "$found" "$allowed" | sort -V | tail -n 1)" = "$allowed" ] ||
      { echo "pack.sh: expected $name symbols up to $allowed, found $found" >&2; exit 1; }
  done
}

if [ $only_size = yes ]; then
  gather
  tar -C "$to/gpu" -czf "$packed" .
  check_size
  exit
fi
[ -f "$build/build.ninja" ] || cmake -S . -B "$build" -G Ninja -DGLM_TESTS=ON -DCMAKE_BUILD_TYPE=Release >/dev/null
ninja -C "$build" "${programs[@]}" libglm_cuda.so | tail -n 1
gather
{ git rev-parse --short HEAD; git diff --quiet HEAD -- '*.cc' '*.h' '*.cu' '*.cuh' '*CMakeLists.txt' || echo changed; } | paste -sd- >"$to/gpu/commit"
echo "$PWD" >"$to/gpu/built_in"
echo "$(realpath "$build")/checkpoints" >"$to/gpu/checkpoints_at"
check_symbols
mkdir -p build/gpu
tar -C "$to/gpu" -czf "$packed" .
check_size
echo "$packed: commit $(cat "$to/gpu/commit"), libraries: $(ls "$to/gpu/lib" | paste -sd' ')"
