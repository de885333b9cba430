#!/bin/sh
# Remakes the tiny checkpoint and every golden. PYTHON: the interpreter of the environment that README.md describes.
set -e
cd "$(dirname "$0")"
python=${PYTHON:-python3}
"$python" make_tiny.py --variant a --seed 0 --out ../../tests/checkpoints/a
"$python" make_random_goldens.py
"$python" make_goldens.py "$@"
