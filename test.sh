#!/usr/bin/env bash
# Builds and runs the tests. Installs what is missing first.
#
#   ./test.sh [--sanitize] [-R PATTERN] [options of ctest]
#   ./test.sh --lint-all
#
# -R PATTERN: the tests whose own name matches (Dit, WholePicture.*nano), and those that ctest has under such a name
#             (cli_tests, style). -LE slow: without clang-tidy and the longest tests.
# --sanitize: the same under AddressSanitizer and UndefinedBehaviorSanitizer, in build-sanitize/.
# --lint-all: runs clang-tidy over every source and records the result. Otherwise it reads what differs from that record.
#
# Prints a line for each test, and at the end what was skipped, what failed and what took how long. Exit status 0 only when
# nothing failed.
set -euo pipefail
cd "$(dirname "$0")"
third_party/install.sh --tests
took=(--took "install=$SECONDS")
export OMP_NUM_THREADS=1   # tests run side by side; two spinning thread teams would fight for the cores
export GLM_BUILD=build
options=(-DGLM_TESTS=ON)
if [ "${1:-}" = --lint-all ]; then exec python3 tests/style/tidy.py build/tidy --all; fi
if [ "${1:-}" = --sanitize ]; then
  shift
  GLM_BUILD=build-sanitize
  options+=(-DGLM_SANITIZE=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo)
  # LibTorch allocates what it never frees, and its own libraries weren't built for this.
  export ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0:allocator_may_return_null=1
  export UBSAN_OPTIONS=print_stacktrace=1
else
  options+=(-DCMAKE_CXX_FLAGS=-Werror)   # a newcomer's first build shows no warning; instrumented code has more of GCC's false ones
fi
begin=$SECONDS
third_party/build.sh all -- "${options[@]}"
# What is measured while tests run side by side isn't for the user's own runs.
export CCACHE_DIR=${CCACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ccache}
export XDG_CACHE_HOME=$PWD/$GLM_BUILD/cache
exec python3 tests/runner/run.py "$GLM_BUILD" "${took[@]}" --took "build=$((SECONDS - begin))" "$@"
