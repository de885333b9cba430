#!/usr/bin/env bash
# Installs wheels into a folder.  fetch_wheels.sh LIST FOLDER
# LIST is a requirements file for pip, with the version and the sha256 of each wheel. Any other wheel is refused.
set -euo pipefail
PIP_ROOT_USER_ACTION=ignore python3 -m pip install --require-hashes --no-deps --only-binary=:all: --no-cache-dir --no-compile \
  --disable-pip-version-check --target "$2" -r "$1" >&2 || {
  echo "glm-image set-up: expected the wheels of $1, each with its sha256. pip says above what it found; nothing was installed." >&2
  exit 1
}
