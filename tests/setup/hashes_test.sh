#!/usr/bin/env bash
# A wheel is installed only with the sha256 that its list has, and the lists have one for everything. With a wheel of our own.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
wheel=glm_tiny-1.0-py3-none-any.whl
python3 - "$work/$wheel" <<'END'
import sys
import zipfile
with zipfile.ZipFile(sys.argv[1], "w") as wheel:
    wheel.writestr("glm_tiny.py", "")
    wheel.writestr("glm_tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: glm-tiny\nVersion: 1.0\n")
    wheel.writestr("glm_tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr("glm_tiny-1.0.dist-info/RECORD", "")
END
right=$(sha256sum "$work/$wheel" | cut -d' ' -f1)
wrong=$(tr 0-9 1-90 <<<"$right")

# fetch FOLDER HASH installs the wheel with this hash into FOLDER, and writes what it prints to FOLDER.log.
fetch() {
  printf -- '--no-index\n--find-links %s\nglm-tiny==1.0%s\n' "$work" "$2" >"$work/list.txt"
  third_party/fetch_wheels.sh "$work/list.txt" "$work/$1" 2>"$work/$1.log"
}
fetch good " --hash=sha256:$right" || { cat "$work/good.log"; echo "expected a wheel with its own sha256 to be installed"; exit 1; }
[ -e "$work/good/glm_tiny.py" ] || { echo "expected glm_tiny.py in the folder, found none"; exit 1; }
for name in changed absent; do
  [ $name = changed ] && hash=" --hash=sha256:$wrong" || hash=
  if fetch $name "$hash"; then echo "$name: expected a wheel whose sha256 isn't in its list to be refused"; exit 1; fi
  [ ! -e "$work/$name" ] || { echo "$name: expected nothing to be installed"; exit 1; }
  grep -q "expected the wheels of .*list.txt, each with its sha256" "$work/$name.log" || { cat "$work/$name.log"; exit 1; }
done
grep -q "$right" "$work/changed.log" || { echo "expected the sha256 that was found to be told"; exit 1; }

# Each line of the lists: a version and its hashes, or another list.
for list in third_party/wheels/*.txt; do
  others=$(sed -e ':join' -e '/\\$/{N;s/\\\n//;b join' -e '}' "$list" |
    grep -vE '^(#.*|-r [a-z-]+\.txt|[a-z0-9-]+==[0-9.]+( +--hash=sha256:[0-9a-f]{64})+)$' || true)
  [ -z "$others" ] || { printf '%s: expected NAME==VERSION with its --hash=sha256:…, found\n%s\n' "$list" "$others"; exit 1; }
done
