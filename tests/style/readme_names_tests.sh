#!/usr/bin/env bash
# Each test that the READMEs name in the form `Suite.Name` or `style.name` exists.  readme_names_tests.sh BUILD
set -euo pipefail
tests=$(python3 tests/runner/run.py "$1" --list)
missing=0
named=$(grep -ohE '`([A-Z][A-Za-z0-9]*|style|setup|cuda|api|cli|checkpoints|gpu|nano|runner)\.[A-Za-z_][A-Za-z0-9_/.]*`' engine/README.md tests/README.md | tr -d "\`" | grep -v "\.md$" | sort -u)
[ "$(wc -l <<<"$named")" -ge 20 ] || { echo "expected the READMEs to name at least 20 tests"; exit 1; }
for name in $named; do
  grep -qE "(^|/)${name//./\\.}(/|$)" <<<"$tests" && continue
  # Two test programs are built only on a machine with a CUDA toolkit; elsewhere their sources have the names.
  grep -rqE "TEST(_F|_P)?\(${name/./, }\)" tests/cuda tests/kernels/curand || { echo "no such test: $name"; missing=1; }
done
exit $missing
