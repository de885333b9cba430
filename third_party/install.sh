#!/usr/bin/env bash
# Makes a Debian or Ubuntu machine ready: system packages, and LibTorch (the PyPI wheel) into .deps/.
#
#   third_party/install.sh [--tests]      --tests adds what the tests and linters need
#   third_party/install.sh --which        only prints which set of wheels this machine gets
#
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
  libjpeg-dev libwebp-dev libgif-dev libstb-dev liblcms2-dev libexif-dev libmd-dev libtomlplusplus-dev libsixel-dev)
[ "${1:-}" = --tests ] && packages+=(libgtest-dev ccache clang-format-14 clang-tidy-14 git zsh fish groff-base)

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

version=2.11.0
machine="torch $version nvcc $nvcc driver $driver script $(cksum <third_party/install.sh)"
ready=.machine
[ "${1:-}" = --tests ] && ready=.machine_tests
[ "$(cat .deps/$ready 2>/dev/null)" = "$machine" ] && exit 0

choose_kind
wheels=(torch==$version nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
[ $kind = cpu ] || wheels+=(nvidia-cufile==1.15.1.6 nvidia-cusparselt-cu13==0.8.0 nvidia-nvshmem-cu13==3.4.5)
[ $kind = full ] && wheels+=(nvidia-cublas==13.1.0.3 nvidia-cudnn-cu13==9.19.0.56 nvidia-cufft==12.0.0.61
  nvidia-curand==10.4.0.35 nvidia-cusolver==12.0.4.66 nvidia-cusparse==12.6.3.3 nvidia-nccl-cu13==2.28.9
  nvidia-nvjitlink==13.0.88 nvidia-cuda-nvrtc==13.0.88
  nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-cuda-cccl==13.0.85)

if [ "$(cat .deps/.kind 2>/dev/null)" != "torch $version $kind" ]; then
  case $kind in cpu) size="0.5 GB" ;; toolkit) size="0.8 GB" ;; full) size="2.6 GB" ;; esac
  say "downloading LibTorch $version ($kind set, about $size) into .deps/"
  rm -rf .deps.partial
  python3 -m pip install --no-cache-dir --no-deps --no-compile --only-binary=:all: --disable-pip-version-check \
    --root-user-action=ignore --target .deps.partial "${wheels[@]}" >&2
  test -e .deps.partial/torch/lib/libtorch_cpu.so || { say "the torch wheel holds no libtorch_cpu.so"; exit 1; }
  if [ $kind = full ]; then   # CMake's compiler test wants the names that a toolkit has
    ln -s lib .deps.partial/nvidia/cu13/lib64
    ln -s libcudart.so.13 .deps.partial/nvidia/cu13/lib/libcudart.so
  fi
  echo "torch $version $kind" >.deps.partial/.kind
  rm -rf .deps
  mv .deps.partial .deps
fi

# Their own folder, so that a set stays what it is. cuobjdump finds nvdisasm beside itself.
tools=(nvidia-cuda-cuobjdump==13.2.51 nvidia-cuda-nvdisasm==13.2.51)
if [ "${1:-}" = --tests ] && [ $kind != cpu ] && [ "$(cat .deps/cuda-tools/.version 2>/dev/null)" != "${tools[*]}" ]; then
  say "downloading cuobjdump and nvdisasm (6 MB) into .deps/cuda-tools"
  rm -rf .deps/cuda-tools
  python3 -m pip install --no-cache-dir --no-deps --no-compile --only-binary=:all: --disable-pip-version-check \
    --root-user-action=ignore --target .deps/cuda-tools "${tools[@]}" >&2
  echo "${tools[*]}" >.deps/cuda-tools/.version
fi
echo "$machine" >.deps/.machine
[ "${1:-}" != --tests ] || echo "$machine" >.deps/.machine_tests
