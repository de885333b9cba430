#!/usr/bin/env bash
# Installs into a folder of its own, builds programs outside the tree against it, by pkg-config in C and by CMake in
# C++, and draws with them.  outside_test.sh CMAKE BUILD SOURCE
set -euo pipefail
cmake=$1 build=$2 source=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "outside_test.sh: $*" >&2; exit 1; }

"$cmake" --install "$build" --prefix "$work/prefix" >"$work/install.log" || { cat "$work/install.log"; exit 1; }
library=$work/prefix/lib/libglm_image.so
[ -e "$library" ] || library=$(find "$work/prefix" -name libglm_image.so)
model=$build/checkpoints/a

# The library shows its own names and nothing else.
names=$(nm -DC --defined-only "$library" | cut -d' ' -f3-)
strangers=$(grep -vE '^(glm_|glm::|(typeinfo( name)?|vtable) for glm::Error)' <<<"$names" || true)
[ -z "$strangers" ] || fail "the library shows names that aren't its own: $(head -5 <<<"$strangers")"
for name in glm_engine_generate glm::Pipeline::generate; do
  grep -q "^$name" <<<"$names" || fail "the library hides $name"
done
readelf -d "$library" | grep -q 'SONAME.*libglm_image\.so\.0\.2' || fail "no SONAME with a version"

export PKG_CONFIG_PATH=$(dirname "$library")/pkgconfig
gcc ${CFLAGS-} -std=c99 -Wall -Wextra -Werror -pedantic "$source/tests/api/outside.c" -o "$work/outside_c" \
  $(pkg-config --cflags --libs glm-image)
LD_LIBRARY_PATH=$(dirname "$library") "$work/outside_c" "$model" "$work/c.ppm" >"$work/c.out" || fail "the C program: status $?"
[ ! -s "$work/c.out" ] || fail "the library printed: $(head -3 "$work/c.out")"
[ "$(wc -c <"$work/c.ppm")" = $((15 + 3 * 130 * 128)) ] || fail "no picture from C"

mkdir "$work/cpp"
cp "$source"/tests/api/outside{,_all}.cpp "$work/cpp/"
cat >"$work/cpp/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(outside LANGUAGES CXX)
find_package(glm_image 0.2 REQUIRED)
add_executable(outside outside.cpp)
target_link_libraries(outside glm::glm_image)
add_executable(outside_all outside_all.cpp)
target_link_libraries(outside_all glm::glm_image)
END
"$cmake" -S "$work/cpp" -B "$work/cpp/build" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/cmake.log" 2>&1 || { cat "$work/cmake.log"; exit 1; }
"$cmake" --build "$work/cpp/build" >"$work/cmake.log" 2>&1 || { cat "$work/cmake.log"; exit 1; }
"$work/cpp/build/outside" "$model" "$work/cpp.png" >"$work/cpp.out" || { cat "$work/cpp.out"; fail "the C++ program"; }
grep -q '^steps 2/2$' "$work/cpp.out" || fail "no progress in C++"
grep -q '^refused: steps: expected 1 to 1000, found 0$' "$work/cpp.out" || fail "an error didn't arrive in C++"
head -c 8 "$work/cpp.png" | grep -q PNG || fail "no picture from C++"
"$work/cpp/build/outside_all" "$model" "$work/all.png" >"$work/all.out" || { cat "$work/all.out"; fail "the program of all functions"; }
for header in "$work"/prefix/include/glm-image/glm/*.h; do
  for name in $(sed -nE 's/^GLM_API [^(]*[ &>]([a-z_]+)\(.*/\1/p; s/^class GLM_API ([A-Za-z]+) \{.*/\1/p' "$header"); do
    grep -q "[:( ]$name" "$source/tests/api/outside_all.cpp" || fail "$(basename "$header"): $name isn't called in outside_all.cpp"
  done
done
g++ -std=c++20 -I"$work/prefix/include/glm-image" -M "$source/tests/api/outside.cpp" >"$work/headers"
! grep -E 'torch|ATen|c10' "$work/headers" || fail "a LibTorch header is needed"
lines=$(wc -l <"$source/tests/api/outside.cpp")
[ "$lines" -le 32 ] || fail "the C++ program has grown to $lines lines"
