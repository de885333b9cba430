#!/usr/bin/env bash
# Runs stages_test.py or networks_test.py with the recipe on Python's path.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
packages="torch numpy PIL tokenizers safetensors"
[ "$1" != networks ] || packages="$packages diffusers transformers"
for package in $packages; do
  if ! "$python" -c "import $package" 2>/dev/null; then
    echo "skipped: $python has no $package (weights_tools/nano/README.md says how to get it)"
    exit 77
  fi
done
export PYTHONPATH="$here/../../weights_tools/nano" PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
exec "$python" -W ignore "$here/$1_test.py"
