#!/bin/sh
# run.sh BUILD_DIR [PROGRAM…]: builds the C tests against include/weir.h and BUILD_DIR/libweir.so and runs each twice: instrumented by
# AddressSanitizer and UndefinedBehaviorSanitizer, and plain under valgrind. First the canaries must die under both.
# CC can be set, and what tests/checked.sh says.
set -eu
build=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/../.."
cc=${CC:-cc}
. tests/checked.sh
prepare "$build" "$build/c-tests"

exports_only_weir() {
  foreign=$(nm -D --defined-only "$out/libweir.so.0" | awk '$2 != "A" { print $3 }' | sed 's/@.*//' | grep -v '^weir_') || return 0
  echo "exported without the prefix weir_: $foreign" | tr '\n' ' '
  return 1
}
count sh tests/c/coverage.sh
count exports_only_weir

flags="-std=c11 -D_XOPEN_SOURCE=700 -g -Wall -Wextra -Wpedantic -Werror -pthread -Iinclude -Itests/c"
compile() { # compile CHECKER PROGRAM
  extra=-O1
  if [ "$1" = asan ]; then extra=$asan_flags; fi
  # shellcheck disable=SC2086 # lists of flags
  $cc $flags $extra -DWEIR_TEST_DATA="\"$PWD/examples/data/flights.arrow\"" -o "$out/$1/$2" "tests/c/$2.c" -L"$out" -lweir -Wl,-rpath,"$out"
}

canaries overflow leak leak-of-weirs use-after-free
# shellcheck disable=SC2046 # a list
programs ${*:-$(cd tests/c && ls test_*.c | sed 's/\.c$//')}
