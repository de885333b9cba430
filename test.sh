#!/usr/bin/env bash
# Builds and runs the tests: ./test.sh [options of ctest, e.g. -R dit]
# Installs what is missing first. Prints a line per test; exit status 0 only when all passed.
set -euo pipefail
cd "$(dirname "$0")"
third_party/install.sh --tests
third_party/build.sh all -- -DGLM_TESTS=ON
export OMP_NUM_THREADS=1   # ctest runs tests side by side; two spinning thread teams would fight for the cores
exec ctest --test-dir build --output-on-failure --no-tests=error -j "$(nproc)" "$@"
