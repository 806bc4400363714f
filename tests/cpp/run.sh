#!/bin/sh
# run.sh BUILD_DIR [PROGRAM…]: the C++ binding against BUILD_DIR/libweir.so. Each header must compile alone, and all together under each compiler
# and standard, also without exceptions and run-time types, without a warning. Then the tests run twice: as C++20 by $CXX, instrumented by
# AddressSanitizer and UndefinedBehaviorSanitizer, and as C++17 without exceptions and run-time types by $CXX2, plain under valgrind. First the
# canaries must die under both. The adapters' tests need PYTHON, an interpreter with pyarrow, whose wheels have Arrow C++.
# CXX, CXX2 (default: the one of g++ and clang++ that CXX is not) and CC can be set, and what tests/checked.sh says.
set -eu
build=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/../.."
cc=${CC:-cc}
cxx=${CXX:-g++}
case $cxx in *clang*) other=g++ ;; *) other=clang++ ;; esac
cxx2=${CXX2:-$other}
selected=${*:-test_conformance test_api test_async test_memtable test_spill test_cache test_nanoarrow test_arrow}
case $cxx2 in *clang*) package=clang ;; *) package=g++ ;; esac
if ! missing=$(sh scripts/need.sh "$cxx2" "$package" 2>&1 >/dev/null); then
  sh scripts/skip.sh "C++ with $cxx2" "$missing"
  cxx2=$cxx
fi
. tests/checked.sh
prepare "$build" "$build/cpp-tests"
export ARROW_DEFAULT_MEMORY_POOL=system # one that the checkers see

# Arrow C++ and nanoarrow, where they are to be had.
arrow= nanoarrow=
if [ -n "${PYTHON:-}" ]; then
  arrow=$("$PYTHON" -c 'import pyarrow; print(pyarrow.__path__[0])' 2>/dev/null || true)
  sh tests/cpp/nanoarrow.sh "$PYTHON" "$build/nanoarrow" && nanoarrow=$build/nanoarrow || true
fi
skip() { # skip PROGRAM WHY
  case " $selected " in *" $1 "*) ;; *) return ;; esac
  sh scripts/skip.sh "C++ $1" "$2"
  selected=$(echo " $selected " | sed "s/ $1 / /")
}
if [ -z "$arrow" ]; then skip test_arrow "no Arrow C++; set PYTHON to an interpreter with pyarrow (make test-cpp does)"; fi
if [ -z "$nanoarrow" ]; then skip test_nanoarrow "no nanoarrow; set PYTHON to an interpreter with pip (make test-cpp does)"; fi

count sh tests/cpp/coverage.sh

warnings='-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Werror'
include='-Iinclude -Ibindings/cpp/include -Itests/cpp'
external="${arrow:+-isystem $arrow/include} ${nanoarrow:+-isystem $nanoarrow/include}"

# ---- Headers alone ----

header_compiles() { # header_compiles COMPILER STANDARD FLAGS HEADER
  # shellcheck disable=SC2086 # lists of flags
  printf '#include <weir/%s>\n#include <weir/%s>\n' "$4" "$4" | $1 -x c++ -std=$2 $3 $warnings $include $external -fsyntax-only - ||
    { echo "weir/$4 does not compile alone: $1 -std=$2 $3"; return 1; }
}
for header in $(cd bindings/cpp/include/weir && echo *.hpp); do
  case $header in # Arrow C++ itself needs C++20 and run-time types, and newer compilers than some
    arrow.hpp) if [ -n "$arrow" ]; then count header_compiles g++ c++20 '' "$header"; fi ;;
    nanoarrow.hpp)
      if [ -n "$nanoarrow" ]; then
        count header_compiles "$cxx" c++17 '' "$header"
        count header_compiles "$cxx2" c++20 '' "$header"
      fi
      ;;
    *) count header_compiles "$cxx" c++17 '' "$header" ;;
  esac
done
for compiler in $(printf '%s\n%s\n' "$cxx" "$cxx2" | sort -u); do
  case $compiler in *clang*) documentation=-Wdocumentation ;; *) documentation= ;; esac
  for standard in c++17 c++20; do
    for flags in '' '-fno-exceptions -fno-rtti'; do count header_compiles "$compiler" "$standard" "$flags $documentation" weir.hpp; done
  done
done

# ---- Programs ----

compile() { # compile CHECKER PROGRAM
  compiler=$cxx flags='-std=c++20' libraries=
  if [ "$1" = asan ]; then
    flags="$flags $asan_flags"
  else
    flags="$flags -O1"
    # valgrind does not read the newest debug information.
    case $2 in test_arrow | test_nanoarrow) ;; *) compiler=$cxx2 flags='-std=c++17 -fno-exceptions -fno-rtti -gdwarf-4 -O1' ;; esac
  fi
  case $2 in
    test_arrow)
      library=$(cd "$arrow" && echo libarrow.so.*)
      libraries="-L$arrow -l:$library -Wl,-rpath,$arrow"
      ;;
    test_nanoarrow)
      for source in array array_stream schema utils; do
        $cc -O1 -g -I"$nanoarrow/include" -c "$nanoarrow/$source.c" -o "$out/$1/nanoarrow_$source.o"
        libraries="$libraries $out/$1/nanoarrow_$source.o"
      done
      ;;
  esac
  # shellcheck disable=SC2086 # lists of flags
  $compiler -g $flags $warnings $include $external -pthread -DWEIR_TEST_DATA='"examples/data/flights.arrow"' \
    -DWEIR_TEST_BEHAVIOURS='"tests/conformance/behaviours.txt"' \
    -o "$out/$1/$2" "tests/cpp/$2.cpp" -L"$out" -lweir -Wl,-rpath,"$out" $libraries
}

canaries leak use-after-free
# shellcheck disable=SC2086 # a list
programs $selected
