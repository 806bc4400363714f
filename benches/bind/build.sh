#!/bin/sh
# build.sh BUILD_DIR OUT_DIR: the benchmarks of C and C++ against BUILD_DIR/libweir.so, as OUT_DIR/bench-c and OUT_DIR/bench-cpp. Where PYTHON is an
# interpreter with pyarrow, whose wheels have Arrow C++, and CXX can compile that, its own export is measured too.
set -eu
build=$1 out=$2
cd "$(dirname "$0")/../.."
mkdir -p "$out"
weir="-Iinclude -pthread -L$build -Wl,-rpath,$build -lweir"
warnings='-Wall -Wextra -Wpedantic -Werror'
# shellcheck disable=SC2086 # lists of flags
${CC:-cc} -O2 -std=c11 $warnings -o "$out/bench-c" benches/bind/bench.c $weir

arrow=$("${PYTHON:-python3}" -c 'import pyarrow; print(pyarrow.__path__[0])' 2>/dev/null || true)
# shellcheck disable=SC2086
cpp() { ${CXX:-c++} -O2 $warnings -Ibindings/cpp/include -o "$out/bench-cpp" benches/bind/bench.cpp $weir "$@"; }
if [ -n "$arrow" ] && library=$(cd "$arrow" && echo libarrow.so.*) &&
  cpp -std=c++20 -DBENCH_WITH_ARROW -isystem "$arrow/include" -L"$arrow" -Wl,-rpath,"$arrow" "-l:$library" 2>"$out/bench-cpp.log"; then
  exit 0
fi
cpp -std=c++17
