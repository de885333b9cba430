#!/usr/bin/env bash
# Makes a Debian or Ubuntu machine ready: system packages, and LibTorch (the PyPI wheel) into .deps/.
#
#   third_party/install.sh [--tests]      --tests adds what the tests and linters need
#   third_party/install.sh --which        only prints which set of wheels this machine gets
#
# A wheel is taken only with the sha256 that third_party/wheels/ has of it.
# Prints nothing and takes a few hundredths of a second when nothing is missing. The set of wheels follows the machine and is
# chosen anew when it changes:
#   toolkit  nvcc 13 or newer is installed: LibTorch and the CUDA libraries that a toolkit lacks
#   full     an NVIDIA driver but no such toolkit: every CUDA library from wheels, nvcc too
#   cpu      neither: the smallest set that runs on a CPU
# With --tests the first two also get .deps/cuda-tools, which shows a test the device code that was built.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "glm-image set-up: $*" >&2; }

# Which machine is this? Cheap to ask, so it is asked every time.
nvcc=$(command -v nvcc || echo "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc")
[ -x "$nvcc" ] && nvcc=$(readlink -f "$nvcc") || nvcc=none
driver=none
if [ -e /proc/driver/nvidia/version ] || [ -e /dev/dxg ] || command -v nvidia-smi >/dev/null; then driver=yes; fi

choose_kind() {   # sets kind
  kind=cpu
  [ $driver = yes ] && kind=full
  [ "$nvcc" != none ] || return 0
  local release
  release=$("$nvcc" --version | sed -n 's/.*release \([0-9]*\)\..*/\1/p')
  if [ "${release:-0}" -ge 13 ]; then kind=toolkit; else say "nvcc ${release:-?} found; 13 or newer is needed, so it is not used"; fi
}

if [ "${1:-}" = --which ]; then choose_kind; echo "$kind"; exit 0; fi

packages=(g++ cmake ninja-build pkg-config python3 python3-pip ca-certificates
  libsentencepiece-dev libpcre2-dev libutf8proc-dev nlohmann-json3-dev libcli11-dev libpng-dev
  libjpeg-dev libwebp-dev libgif-dev libstb-dev liblcms2-dev libexif-dev libssl-dev libtomlplusplus-dev libsixel-dev uuid-dev
  libcurl4-openssl-dev libsqlite3-dev)
[ "${1:-}" = --tests ] && packages+=(libgtest-dev ccache clang-format-14 clang-tidy-14 universal-ctags python3-jsonschema git zsh fish bash-completion groff-base)

missing=()
installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null || true)
for package in "${packages[@]}"; do
  [[ $'\n'$installed$'\n' == *$'\n'"$package installed"$'\n'* ]] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || { say "no apt-get here; please install: ${missing[*]}"; exit 1; }
  as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { say "please run as root: apt-get install ${missing[*]}"; exit 1; }
    as_root=(sudo)
  fi
  say "installing ${#missing[@]} system packages: ${missing[*]}"
  "${as_root[@]}" apt-get update -q >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >&2
fi

machine="nvcc $nvcc driver $driver script $(cat third_party/install.sh third_party/wheels/*.txt | cksum)"
ready=.machine
[ "${1:-}" = --tests ] && ready=.machine_tests
[ "$(cat .deps/$ready 2>/dev/null)" = "$machine" ] && exit 0

choose_kind
case $kind in   # each list holds the one before
  cpu) size="0.5 GB" lists="cpu" ;;
  toolkit) size="0.8 GB" lists="cpu toolkit" ;;
  full) size="2.6 GB" lists="cpu toolkit full" ;;
esac
wheels="$kind $(for list in $lists; do cat third_party/wheels/$list.txt; done | cksum)"
if [ "$(cat .deps/.kind 2>/dev/null)" != "$wheels" ]; then
  say "downloading LibTorch ($kind set, about $size) into .deps/"
  rm -rf .deps.partial
  third_party/fetch_wheels.sh third_party/wheels/$kind.txt .deps.partial
  test -e .deps.partial/torch/lib/libtorch_cpu.so || { say "the torch wheel holds no libtorch_cpu.so"; exit 1; }
  if [ $kind = full ]; then   # CMake's compiler test wants the names that a toolkit has
    ln -s lib .deps.partial/nvidia/cu13/lib64
    ln -s libcudart.so.13 .deps.partial/nvidia/cu13/lib/libcudart.so
  fi
  echo "$wheels" >.deps.partial/.kind
  rm -rf .deps
  mv .deps.partial .deps
fi

# Their own folder, so that a set stays what it is.
tools=$(cksum <third_party/wheels/cuda-tools.txt)
if [ "${1:-}" = --tests ] && [ $kind != cpu ] && [ "$(cat .deps/cuda-tools/.version 2>/dev/null)" != "$tools" ]; then
  say "downloading cuobjdump and nvdisasm (6 MB) into .deps/cuda-tools"
  rm -rf .deps/cuda-tools
  third_party/fetch_wheels.sh third_party/wheels/cuda-tools.txt .deps/cuda-tools
  echo "$tools" >.deps/cuda-tools/.version
fi
echo "$machine" >.deps/.machine
[ "${1:-}" != --tests ] || echo "$machine" >.deps/.machine_tests
