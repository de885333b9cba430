#!/bin/sh
# Remakes the tiny checkpoints in build/reference, what tests/checkpoints keeps of them, and every golden. PYTHON: the interpreter of the environment that README.md describes.
set -e
cd "$(dirname "$0")"
python=${PYTHON:-python3}
for variant in a b c d k; do
  "$python" make_tiny.py --variant $variant
  (cd ../../build/reference/$variant && find . -type f ! -name '*.safetensors' -exec cp --parents {} ../../../tests/checkpoints/$variant \;)
done
"$python" make_random_goldens.py
"$python" make_faint_goldens.py
"$python" make_safety_goldens.py
"$python" make_tokenizer_goldens.py
"$python" make_picture_goldens.py
"$python" save_again.py ../../build/reference/a ../../tests/data/saved_again
"$python" make_goldens.py "$@"
