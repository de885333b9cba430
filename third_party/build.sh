#!/usr/bin/env bash
# Configures the build folder when needed and builds TARGETS, telling how far it is. Quiet when nothing is out of date.
#
#   third_party/build.sh TARGET… [-- CMake options]
#   GLM_BUILD=FOLDER: another folder than build
set -euo pipefail
cd "$(dirname "$0")/.."
targets=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do targets+=("$1"); shift; done
[ $# -gt 0 ] && shift
build=${GLM_BUILD:-build}

# Two at once would spoil each other's files; the second waits.
mkdir -p "$build"
exec 9>"$build/.lock"
flock 9

# Anew for another LibTorch, another place of this folder, or options that the last configuration did not have.
stamp="$(cat .deps/.kind) $PWD"
if [ ! -e "$build/build.ninja" ] || [ "$(cat "$build/.stamp" 2>/dev/null)" != "$stamp" ] ||
  { [ $# -gt 0 ] && [ "$(cat "$build/.options" 2>/dev/null)" != "$*" ]; }; then
  echo "glm-image set-up: configuring $build/" >&2
  [ "$(cat "$build/.stamp" 2>/dev/null)" = "$stamp" ] || rm -rf "$build/CMakeCache.txt" "$build/CMakeFiles"
  cmake -S . -B "$build" -G Ninja "$@" >"$build/configure.log" 2>&1 || { cat "$build/configure.log" >&2; exit 1; }
  echo "$stamp" >"$build/.stamp"
  echo "$*" >"$build/.options"
fi
plan=$(ninja -C "$build" -n "${targets[@]}" 2>&1 || true)
[[ $plan == *"no work to do"* ]] && exit 0
echo "glm-image set-up: building (the first time takes some minutes)" >&2
# 9>&-: a compiler cache's server must not inherit the lock
NINJA_STATUS='[%f/%t, %es] ' ninja -C "$build" "${targets[@]}" 9>&- >&2
