#!/usr/bin/env bash
# Draws a picture: ./run.sh "a red apple on a blue background" [options of `glm-image generate`]
# Installs what is missing, builds what is out of date, then runs build/glm-image generate with the same arguments.
set -euo pipefail
folder=$(cd "$(dirname "$0")" && pwd)
"$folder/third_party/install.sh"
"$folder/third_party/build.sh" glm-image
exec "$folder/build/glm-image" generate "$@"
