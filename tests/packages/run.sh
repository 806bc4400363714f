#!/bin/sh
# Installs what is in OUT into temporary prefixes and uses it from programs outside of the tree: each appends, is killed, tails.
#
# run.sh OUT
set -eu

cd "$(dirname "$0")/../.."
source=$PWD
out=$(cd "${1:?usage: run.sh OUT}" && pwd)
cc=${CC:-cc} cxx=${CXX:-c++}
sh scripts/need.sh pkg-config pkg-config
sh scripts/need.sh cmake cmake

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0 skipped=0
check() { # check NAME COMMAND…
  name=$1
  shift
  if "$@" >"$dir/log" 2>&1; then
    passed=$((passed + 1))
    echo "  $name"
  else
    failed=$((failed + 1))
    echo "--- $name failed"
    cat "$dir/log"
  fi
}
skip() { # skip WHAT WHY
  skipped=$((skipped + 1))
  printf '  '
  sh "$source/scripts/skip.sh" "$1" "$2"
}
install() { # install PREFIX [DESTDIR]
  PREFIX=$1 DESTDIR=${2:-} LIBDIR=${lib-lib} sh scripts/install.sh "$out"
}
in_subshell() { ("$@"); }
tree() { (cd "$1" && find . | LC_ALL=C sort); }

# What a program must do, whatever built it.
appends_crashes_tails() { # appends_crashes_tails COMMAND…
  root=$dir/data.$passed.$failed
  code=0
  "$@" write "$root" || code=$?
  [ "$code" = 137 ] || { echo "the writer ended with $code instead of being killed"; return 1; }
  "$@" tail "$root"
}

prefix=$dir/prefix
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"

# ---- Installing

repeated() {
  install "$prefix" && tree "$prefix" >"$dir/once" && install "$prefix" && tree "$prefix" | diff "$dir/once" -
}
at_once() {
  jobs=
  for _ in 1 2 3 4; do
    install "$dir/at-once" &
    jobs="$jobs $!"
  done
  for job in $jobs; do wait "$job" || return 1; done
  tree "$dir/at-once" | diff "$dir/once" -
}
staged() {
  install /usr "$dir/stage" && tree "$dir/stage/usr" | diff "$dir/once" - && [ ! -e "$dir/stage/$dir" ]
}
other_libdir() {
  (lib=lib/x86_64-linux-gnu && install "$dir/multiarch") &&
    PKG_CONFIG_PATH=$dir/multiarch/lib/x86_64-linux-gnu/pkgconfig pkg-config --libs weir | grep -q 'multiarch/.*lib/x86_64-linux-gnu'
}
uninstalled() {
  mkdir -p "$dir/at-once/lib/pkgconfig" && : >"$dir/at-once/lib/pkgconfig/other.pc" &&
    PREFIX=$dir/at-once sh scripts/install.sh --uninstall && [ "$(find "$dir/at-once" ! -type d)" = "$dir/at-once/lib/pkgconfig/other.pc" ]
}
# As install(1) makes them, whatever the user's umask.
readable() {
  (umask 077 && install "$dir/closed") && [ -z "$(find "$dir/closed" -type d ! -perm -755 -o -type f ! -perm -444)" ]
}
# Nothing is written, neither there nor to a default place.
refused() {
  for bad in relative ''; do
    if install "$bad" "$dir/nowhere" || PREFIX=$bad DESTDIR=$dir/nowhere sh scripts/install.sh --uninstall; then return 1; fi
  done
  for bad in ../up /up up/ ''; do
    if lib=$bad install /usr "$dir/nowhere"; then return 1; fi
  done
  [ ! -e "$dir/nowhere" ]
}
check 'install, and again' repeated
check 'four installs at once' at_once
check 'DESTDIR' staged
check 'LIBDIR' other_libdir
check 'uninstall leaves what is others'"'" uninstalled
check 'what is installed can be read by all' readable
check 'a PREFIX that is relative or empty and a LIBDIR outside are refused' refused
# Everything below is done from here: it must not matter where the prefix has gone.
mv "$prefix" "$dir/moved"
prefix=$dir/moved
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
version=$(pkg-config --modversion weir)
soname() { readelf -d "$prefix/lib/libweir.so" | grep -q 'SONAME.*\[libweir.so.0\]'; }
check 'SONAME' soname
check 'the tool runs' "$prefix/bin/weir" --version
pages() { for page in "$prefix"/share/man/man1/weir*.1; do grep -q '^.TH weir' "$page" || return 1; done; }
check 'manual pages' pages

# ---- C: pkg-config, dynamic and static

work=$dir/work
mkdir "$work"
cp tests/packages/consumer/consumer.c tests/packages/consumer/CMakeLists.txt "$work"
cd "$work"
dynamic() {
  # shellcheck disable=SC2046 # lists of flags
  $cc -std=c11 -Wall -Wextra -Werror -o dynamic consumer.c $(pkg-config --cflags --libs weir) && readelf -d dynamic | grep -q 'NEEDED.*libweir.so.0' &&
    LD_LIBRARY_PATH=$prefix/lib appends_crashes_tails ./dynamic
}
static() {
  # -lweir alone would take the shared library.
  # shellcheck disable=SC2046 # lists of flags
  $cc -std=c11 -Wall -Wextra -Werror -o static consumer.c $(pkg-config --cflags weir) $(pkg-config --static --libs weir | sed 's/-lweir/-l:libweir.a/') &&
    ! readelf -d static | grep -q libweir && appends_crashes_tails ./static
}
as_cpp() {
  # shellcheck disable=SC2046 # lists of flags
  $cxx -std=c++17 -x c++ -Wall -Wextra -Werror -o as_cpp consumer.c -x none $(pkg-config --cflags --libs weir) &&
    LD_LIBRARY_PATH=$prefix/lib appends_crashes_tails ./as_cpp
}
check 'C, pkg-config' dynamic
check 'C, pkg-config --static' static
cp "$source/examples/cpp/minimal.cpp" .
cpp_binding() {
  # shellcheck disable=SC2046 # lists of flags
  $cxx -std=c++17 -Wall -Wextra -Werror -o minimal minimal.cpp $(pkg-config --cflags --libs weir) &&
    LD_LIBRARY_PATH=$prefix/lib ./minimal "$source/examples/data/flights.arrow" "$dir/data.cpp"
}

# ---- CMake

cmake_build() {
  cmake -S . -B build -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Debug && cmake --build build
}
cmake_shared() { appends_crashes_tails ./build/consumer_shared; }
cmake_static() { ! readelf -d ./build/consumer_static | grep -q libweir && appends_crashes_tails ./build/consumer_static; }
# The project for CMake is of both languages.
if missing=$(sh "$source/scripts/need.sh" "${cxx%% *}" g++ 2>&1 >/dev/null); then
  check 'the C header in C++, pkg-config' as_cpp
  check 'C++, weir/weir.hpp' cpp_binding
  check 'CMake, configure and build' cmake_build
  check 'CMake, weir::shared' cmake_shared
  check 'CMake, weir::static' cmake_static
else
  skip C++ "$missing"
fi
cd "$source"

for suite in tests/packages/*/suite.sh; do
  if [ -e "$suite" ]; then . "$suite"; fi
done

# What `make test` ends with, where a toolchain is missing and where none is.
last_line() { # last_line WANTED MAKE_ARGUMENTS…
  wanted=$1
  shift
  said=$(MAKEFLAGS='' make -s test SKIPPED="$dir/skipped" "$@") && echo "$said" && [ "$(echo "$said" | tail -n 1)" = "$wanted" ]
}
skips_are_told() {
  last_line 'All tests passed; skipped: Go, Java.' SUITES='test-java test-go' GO= JAVA_TOOLS='(echo no JDK >&2; false)' &&
    echo "$said" | grep -qx 'skipped: Java: no JDK' && last_line 'All tests passed.' SUITES=help
}
check 'make test tells what it skipped' skips_are_told

dist_opens() {
  GZIP_LEVEL=1 sh scripts/dist.sh "$out" "$dir" "weir-$version-test" &&
    mkdir "$dir/unpacked" && tar -C "$dir/unpacked" -xzf "$dir/weir-$version-test.tar.gz" &&
    PKG_CONFIG_PATH=$dir/unpacked/weir-$version-test/lib/pkgconfig pkg-config --exact-version="$version" weir &&
    "$dir/unpacked/weir-$version-test/bin/weir" --version
}
check 'a release tarball' dist_opens
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
