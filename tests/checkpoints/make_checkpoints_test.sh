#!/usr/bin/env bash
# The small checkpoints come out the same each time; with other random numbers they are refused and nothing is left.
#   make_checkpoints_test.sh PROGRAM FROM BUILT
set -euo pipefail
program=$1 from=$2 built=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "make_checkpoints_test.sh: $*" >&2; exit 1; }

"$program" "$from" "$work/again"
diff -r "$work/again" "$built" || fail "the build's checkpoints are others"

status=0
ATEN_CPU_CAPABILITY=default "$program" "$from" "$work/plain" 2>"$work/said" || status=$?
[ $status = 1 ] || fail "expected status 1 without AVX2, found $status"
grep -q 'expected the SHA-256 [0-9a-f]\{64\} .*found [0-9a-f]\{64\}.*AVX2' "$work/said" || fail "it said: $(cat "$work/said")"
[ -z "$(find "$work/plain" -name model_index.json ! -path '*.partial/*')" ] || fail "a checkpoint of other numbers was left"
