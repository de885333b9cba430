#!/usr/bin/env bash
# Builds what check.sh runs and gathers it in build/gpu/, for a machine that has LibTorch's wheel and a GPU but none of
# our packages.  pack.sh [BUILD_FOLDER [PROGRAM]…]
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-build}
shift || true
to=build/gpu
programs=("$@")
[ ${#programs[@]} -gt 0 ] || programs=(gpu_kernels_tests gpu_bench glm-image engine_tests kernels_tests)
limit_kb=$((12 * 1024))

[ -f "$build/build.ninja" ] || cmake -S . -B "$build" -G Ninja -DGLM_TESTS=ON -DCMAKE_BUILD_TYPE=Release >/dev/null
ninja -C "$build" "${programs[@]}" libglm_cuda.so | tail -n 1

# out/ is what an earlier run of check.sh left here.
mkdir -p $to/lib
find $to -mindepth 1 -maxdepth 1 ! -name out -exec rm -r {} +
mkdir -p $to/lib
for file in "${programs[@]}" libglm_cuda.so; do strip -o $to/$file "$build/$file"; done
# Libraries that come neither with the wheels nor with every Linux.
for program in "${programs[@]}"; do ldd "$build/$program"; done | sed -nE 's/.* => (\/[^ ]+) .*/\1/p' | sort -u |
  { grep -vE '/(torch|nvidia)/|/lib(c|m|dl|rt|util|pthread|gcc_s|stdc\+\+|z|cuda|cudart|cupti)\.so' || true; } |
  while read -r library; do strip -o "$to/lib/$(basename "$library")" "$library"; done
{ git rev-parse --short HEAD; git diff --quiet HEAD -- kernels engine tests/gpu || echo changed; } | paste -sd- >$to/commit
echo "$PWD" >$to/built_in

# Newest symbols that Ubuntu 24.04 has: glibc 2.39, libstdc++ 13.
newest() {
  find $to -path $to/out -prune -o -type f -print0 | xargs -0 readelf -W --version-info 2>/dev/null |
    { grep -oE "$1_[0-9.]+" || true; } | sed 's/.*_//' | sort -Vu | tail -n 1 || true
}
for rule in "GLIBC 2.38" "GLIBCXX 3.4.32"; do
  read -r name allowed <<<"$rule"
  found=$(newest "$name")
  [ "$(printf '%s\n' "$found" "$allowed" | sort -V | tail -n 1)" = "$allowed" ] ||
    { echo "pack.sh: expected $name symbols up to $allowed, found $found" >&2; exit 1; }
done
size=$(du -sk --exclude=out $to | cut -f 1)
[ "$size" -le $limit_kb ] || { echo "pack.sh: expected at most $limit_kb KB in $to, found $size" >&2; exit 1; }
echo "$to: $size KB, commit $(cat $to/commit), libraries: $(ls $to/lib | paste -sd' ')"
