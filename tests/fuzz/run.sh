#!/usr/bin/env bash
# Builds the libFuzzer targets with clang and AddressSanitizer in build/fuzz and runs them one after the other.
#
#   tests/fuzz/run.sh [RUNS [TARGET…]]      RUNS: executions of each, 1000000 by default; TARGET: all by default
#
# Prints a line for each target: executions, seconds, edges and features covered, inputs kept, and what was found. Exit
# status 0 only when nothing was. An input that was found stays in build/fuzz/found/. FUZZ_SECONDS bounds each target.
set -euo pipefail
cd "$(dirname "$0")/../.."
runs=${1:-1000000}
[ $# -gt 0 ] && shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(png jpeg webp gif bmp exif profile tokenizer config safetensors tasks base64)
build=${FUZZ_BUILD:-build/fuzz}
clang=$(command -v clang++-14 || command -v clang++) || { echo "clang++ is needed: apt-get install clang-14" >&2; exit 1; }

mkdir -p "$build"
cmake -S . -B "$build" -G Ninja -DCMAKE_CXX_COMPILER="$clang" -DCMAKE_BUILD_TYPE=Release -DGLM_FUZZ=ON -DGLM_CUDA=OFF >"$build/configure.log" 2>&1 ||
  { cat "$build/configure.log" >&2; exit 1; }
ninja -C "$build" "${targets[@]/#/fuzz_}" >"$build/build.log" 2>&1 || { tail -50 "$build/build.log" >&2; exit 1; }

# What each target starts from.
seed() {
  local to=$build/corpus/$1 checkpoint=tests/checkpoints/a i=0
  mkdir -p "$to"
  case $1 in
    png|webp|gif|bmp) cp tests/pictures/goldens/files/*.$1 "$to" ;;
    jpeg) cp tests/pictures/goldens/files/*.jpg "$to" ;;
    tasks) python3 tests/tasks/schema_test.py --seeds "$to" ;;
    base64) for file in tests/pictures/goldens/files/rgb.*; do { printf 'data:image/x;base64,'; base64 -w0 "$file"; } >"$to/${file##*.}"; done ;;
    exif|profile|tokenizer|safetensors) python3 tests/fuzz/make_seeds.py "$1" "$to" ;;
    config)   # the first byte is the number of the file in config.cc's list
      for file in $checkpoint/{model_index,processor/preprocessor_config,scheduler/scheduler_config,text_encoder/config}.json \
        $checkpoint/{transformer/config,vae/config,vision_language_encoder/config,vision_language_encoder/generation_config}.json \
        models/nano/glm_image.json; do
        { printf "\\x$(printf %x $i)"; cat "$file"; } >"$to/$i"
        i=$((i + 1))
      done ;;
  esac
}

found=0
export ASAN_OPTIONS=detect_odr_violation=0:detect_container_overflow=0:allocator_may_return_null=1:malloc_context_size=2:quarantine_size_mb=8:thread_local_quarantine_size_kb=64
[ ! -d /dev/shm ] || export TMPDIR=/dev/shm
mkdir -p "$build/found"
for target in "${targets[@]}"; do
  seed "$target"
  log=$build/$target.log
  lengths=()
  [ $target != profile ] || lengths=(-len_control=0 -reduce_inputs=0)  # or soon all are too short to be a profile
  status=0
  "$build/fuzz_$target" "$build/corpus/$target" -runs="$runs" "${lengths[@]}" -max_total_time="${FUZZ_SECONDS:-0}" -max_len=65536 -timeout=10 \
    -rss_limit_mb=2048 -artifact_prefix="$build/found/$target-" -print_final_stats=1 -verbosity=1 >"$log" 2>&1 || status=$?
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  seconds=$(sed -n 's/^Done [0-9]* runs in \([0-9]*\) second.*/\1/p' "$log")
  covered=$(grep -oE 'cov: [0-9]+ ft: [0-9]+ corp: [0-9]+' "$log" | tail -1 || true)
  printf '%-12s %10s executions %6s s  %s  %s\n' "$target" "${executions:-?}" "${seconds:-?}" "$covered" \
    "$([ $status = 0 ] && echo "nothing found" || grep -m1 -E 'ERROR|SUMMARY' "$log" || echo "status $status")"
  [ $status = 0 ] || found=1
done
exit $found
