#!/usr/bin/env bash
# Builds and runs the tests: ./test.sh [--sanitize] [options of ctest, e.g. -R dit]
# Installs what is missing first. Prints a line per test; exit status 0 only when all passed.
# --sanitize: the same under AddressSanitizer and UndefinedBehaviorSanitizer, in build-sanitize/.
set -euo pipefail
cd "$(dirname "$0")"
third_party/install.sh --tests
export OMP_NUM_THREADS=1   # ctest runs tests side by side; two spinning thread teams would fight for the cores
export GLM_BUILD=build
options=(-DGLM_TESTS=ON)
if [ "${1:-}" = --sanitize ]; then
  shift
  GLM_BUILD=build-sanitize
  options+=(-DGLM_SANITIZE=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo)
  # LibTorch allocates what it never frees, and its own libraries weren't built for this.
  export ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0:allocator_may_return_null=1
  export UBSAN_OPTIONS=print_stacktrace=1
fi
third_party/build.sh all -- "${options[@]}"
exec ctest --test-dir "$GLM_BUILD" --output-on-failure --no-tests=error -j "$(nproc)" "$@"
