#!/usr/bin/env bash
# Everything that needs a GPU, in under nine minutes; fails when a part failed.  check.sh [PART]…
#
#   kernels       each kernel against ATen on this card
#   bench         its speed: a table
#   engine        the stages against upstream's goldens, on this card
#   nano          a picture of the default model by the program, in several settings: how long its stages take
#   sanitizer     compute-sanitizer over small cases, where it is installed
#   transformers  upstream's own decode at the public size, to compare with
#   decoder       only by its name, four minutes: the kernels of the diffusion transformer and the VAE against ATen, and
#                 what they make of a step
#
# Output goes to $OUT, or to build/gpu/out; then the table goes to results/ here too. Programs come from
# build/gpu/programs.tar.gz (pack.sh), or from build. Run it from the repository's root.
set -uo pipefail
cd "$(dirname "$0")/../.."
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(kernels bench engine nano sanitizer transformers)
out=${OUT:-build/gpu/out}
mkdir -p "$out"
deadline=$((SECONDS + 530))
programs=$PWD/build
if [ -f build/gpu/programs.tar.gz ]; then
  programs=$PWD/build/gpu/programs
  rm -rf "$programs"
  mkdir "$programs"
  tar -C "$programs" -xzf build/gpu/programs.tar.gz
fi

if site=$(python3 -c 'import importlib.util as u, os; print(os.path.dirname(os.path.dirname(u.find_spec("torch").origin)))' 2>/dev/null); then
  libraries=$site/torch/lib
  for folder in "$site"/nvidia/*/lib; do [ -d "$folder" ] && libraries+=:$folder; done
  export LD_LIBRARY_PATH=$programs:$programs/lib:$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fi
# The programs know goldens and models by the folder they were built from.
built_in=$(cat "$programs/built_in" 2>/dev/null) || built_in=$PWD
[ -e "$built_in" ] || { mkdir -p "$(dirname "$built_in")" && ln -s "$PWD" "$built_in"; } 2>/dev/null

card=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -n 1) || true
driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -n 1) || true
nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm,clocks.mem,power.draw --format=csv,noheader 2>/dev/null || echo "no nvidia-smi"
commit=$(cat "$programs/commit" 2>/dev/null || git rev-parse --short HEAD 2>/dev/null || echo unknown)
summary=()
failed=0

# part NAME SECONDS COMMAND…: its output to NAME.log, the end of it here
part() {
  local name=$1 seconds=$2 begin=$SECONDS left=$((deadline - SECONDS)) status=0
  shift 2
  [ "$left" -lt "$seconds" ] && seconds=$left
  echo "== $name (at most $seconds s)"
  if [ "$seconds" -lt 5 ]; then
    status=124
  else
    timeout -k 5 "$seconds" "$@" >"$out/$name.log" 2>&1 || status=$?
  fi
  summary+=("$name: $([ $status = 0 ] && echo passed || echo "FAILED with status $status"), $((SECONDS - begin)) s")
  [ $status = 0 ] || failed=1
  return $status
}
# A test that skips because there is no GPU has shown nothing.
failures() { grep -E '^\[  FAILED |GLM_TEST_SEED=|Failure$|apart where|elements differ|exception' "$1"; }
tests() {
  local name=$1
  part "$@"
  failures "$out/$name.log" | head -n 40
  tail -n 3 "$out/$name.log"
  if [ "$name" = kernels ] && grep -q '^\[  SKIPPED ' "$out/$name.log"; then
    summary+=("$name: FAILED, tests were skipped")
    failed=1
  fi
}

run_kernels() { tests kernels 200 "$programs/gpu_kernels_tests" --gtest_brief=0; }

run_bench() {
  part bench 180 "$programs/gpu_bench" "$out/bench.md" "$commit" "${driver:-?}"
  cat "$out/bench.log"
  if [ -z "${OUT:-}" ] && [ -f "$out/bench.md" ]; then
    mkdir -p tests/gpu/results
    cp "$out/bench.md" "tests/gpu/results/$(date -u +%F)-$(tr -cs 'A-Za-z0-9' '-' <<<"${card:-card}" | sed 's/-$//').md"
  fi
}

# Most of a test is one core's work, so four processes share them; what fills the memory or is timed has the card alone.
run_engine() {
  local alone='GpuMemory.*:Upload.*:CheckedKernels.*'
  export GLM_TEST_DEVICE=cuda
  OMP_NUM_THREADS=4 part engine 240 bash -c '
    for shard in 0 1 2 3; do
      GTEST_TOTAL_SHARDS=4 GTEST_SHARD_INDEX=$shard "$1" --gtest_filter="-$3" >"$2/engine-$shard.log" 2>&1 &
      all+=($!)
    done
    for one in "${all[@]}"; do wait "$one" || status=$?; done
    exit ${status:-0}' shards "$programs/engine_tests" "$out" "$alone"
  for shard in 0 1 2 3; do
    failures "$out/engine-$shard.log" | head -n 20
    tail -n 3 "$out/engine-$shard.log"
  done
  tests engine-alone 90 "$programs/engine_tests" --gtest_filter="$alone"
  grep 'GB/s' "$out/engine-alone.log"
  unset GLM_TEST_DEVICE
}

# Nobody has seen these kernels on a card yet, so a program takes them only with --kernels force.
run_decoder() {
  tests decoder 60 "$programs/gpu_kernels_tests" --gtest_filter='DecoderOnGpu.*'
  part decoder-goldens 60 env GLM_TEST_DEVICE=cuda GLM_TEST_KERNELS=force "$programs/engine_tests" --gtest_filter='*Bfloat16.NoisePredictions*'
  tail -n 3 "$out/decoder-goldens.log"
  for size in 1024x1024 2048x2048; do
    for kernels in auto force; do
      part "decoder-$size-$kernels" 60 "$programs/glm-image" bench -m random:public --device cuda --size $size --steps 5 --kernels $kernels
      cat "$out/decoder-$size-$kernels.log"
    done
  done
}

run_nano() {
  local draw=("$programs/glm-image" generate "a red apple on a blue background" --device cuda -s 1 -o "$out/nano.png")
  nano() {  # NAME COMMAND…
    part "nano-$1" 40 "${@:2}"
    cat "$out/nano-$1.log"
  }
  for turn in 1 2 3; do nano $turn "${draw[@]}"; done
  nano active env OMP_WAIT_POLICY=active "${draw[@]}"
  nano off "${draw[@]}" --look-ahead off
  nano eight "${draw[@]}" --look-ahead 8
  nano aten "${draw[@]}" --kernels off
  nano float32 "${draw[@]}" --dtype float32
  nano one-thread "${draw[@]}" --threads 1
  nano without-cudnn env TORCH_CUDNN_SDPA_DEPRIORITIZED=1 "${draw[@]}"
}

run_sanitizer() {
  command -v compute-sanitizer >/dev/null || { summary+=("sanitizer: not installed"); return; }
  local small='Formats/LinearOnGpu.IsMatmulOfTheDenseWeight/*:Formats/LinearOnGpu.GateAndUpAreActivated/*:NormOnGpu.BeginsATokenWithItsEmbedding:AttentionOnGpu.OtherShapes:SampleOnGpu.Ties:Launches.AreCounted'
  export PYTORCH_NO_CUDA_MEMORY_CACHING=1   # so that memcheck sees each tensor's end
  local least='Formats/LinearOnGpu.GateAndUpAreActivated/fp8:Formats/LinearOnGpu.GateAndUpAreActivated/int4:NormOnGpu.BeginsATokenWithItsEmbedding'
  # racecheck watches each access: 18 s a format. It isn't given launches of several calls: once the teams of a block have
  # passed different numbers of their own barriers, it reports hazards across barriers of the whole block (results/).
  for tool in memcheck racecheck; do
    [ $tool = memcheck ] || small=$least
    part $tool 90 compute-sanitizer --tool $tool --error-exitcode 9 "$programs/gpu_kernels_tests" --gtest_filter="$small"
    grep -E '^=========' "$out/$tool.log" | head -n 20
    tail -n 3 "$out/$tool.log"
  done
  unset PYTORCH_NO_CUDA_MEMORY_CACHING
}

run_transformers() {
  part transformers 100 python3 -u tests/bench/transformers_prior.py
  grep -v Warning "$out/transformers.log" | tail -n 12
}

# The small checkpoints, which a build draws, have to be drawn here by a program that came along.
if [ -f "$programs/checkpoints_at" ]; then
  part checkpoints 60 "$programs/make_checkpoints" tests/checkpoints "$(cat "$programs/checkpoints_at")" || cat "$out/checkpoints.log"
fi
for name in "${parts[@]}"; do
  if declare -F "run_$name" >/dev/null; then "run_$name"; else echo "check.sh: no part $name" >&2; failed=1; fi
done
echo "== summary: ${card:-no GPU}, commit $commit"
printf '%s\n' "${summary[@]}" | tee "$out/summary.txt"
exit $failed
