#!/usr/bin/env bash
# function_length.py must see a long function of every form, and pass over tables and what is short.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/engine" "$tree/kernels/cuda" "$tree/tests/engine"

# lines N LINE: N lines of a body
lines() { for _ in $(seq "$1"); do echo "  $2"; done; }
# seen FILE NAME LINES HEAD [BODY_LINE [END]]: a function of this head and so many lines in all is told, with the name
seen() {
  { echo "$4"; lines $(($3 - 2)) "${5:-f();}"; echo "${6:-\}}"; } >"$tree/$1"
  found=$(python3 "$here/function_length.py" "$tree") && status=0 || status=$?
  expected="$1:1: $2: expected at most 60 lines, found $3"
  [ "$3" -gt 60 ] || expected="1 functions in 1 files have at most 60 lines"
  [ "$found" = "$expected" ] && [ $status = "$(($3 > 60))" ] ||
    { echo "expected $expected, found with status $status: $found"; exit 1; }
  rm "$tree/$1"
}
seen engine/a.cc plain 61 'void plain(int a) {'
seen engine/a.cc plain 60 'void plain(int a) {'
seen engine/a.cc member 61 'int Some::member(const std::string& text) const {'
seen engine/a.cc Some 61 'Some::Some(int a) : a_(a), b_{a} {'
seen engine/a.h many 61 'template <typename T> T many(T a) requires std::integral<T> {'
seen engine/a.cc braces 61 'void braces() {' 'f("} // {"); g(R"(})");'
seen kernels/cuda/a.cuh body 61 'template <int kRows> GLM_DEVICE void body(const float* x) {'
seen kernels/cuda/a.cu kernel 61 '__global__ void __launch_bounds__(256) kernel(float* x) {'
seen tests/engine/a_test.cc TEST 61 'TEST(Suite, Name) {'
seen tests/engine/a_test.cc TEST_P 61 'TEST_P(Suite, Name) {'
seen tests/engine/a.c main 61 'int main(int argc, char** argv) {'

# Tables of cases, in tests alone.
table() {
  printf 'std::vector<Row> rows() {\n  const int a = 1;\n%s {\n' "$2"
  lines 90 '  {"name", [] { return a; }},'
  printf '  };\n}\n'
} >"$tree/$1"
for head in '  return' '  const Rows all ='; do
  table tests/engine/rows.cc "$head"
  python3 "$here/function_length.py" "$tree" >/dev/null || { echo "expected a table to be passed over: $head"; exit 1; }
done
rm "$tree/tests/engine/rows.cc"
table engine/rows.cc '  return'
if python3 "$here/function_length.py" "$tree" >/dev/null; then echo "expected a table of the product to be told"; exit 1; fi
rm "$tree/engine/rows.cc"
if python3 "$here/function_length.py" "$tree" >/dev/null; then echo "expected no functions at all to be a failure"; exit 1; fi
