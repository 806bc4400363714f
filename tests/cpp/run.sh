#!/bin/sh
# run.sh BUILD_DIR [PROGRAM…]: the C++ binding against BUILD_DIR/libweir.so. Each header must compile alone, and all together under each compiler
# and standard, also without exceptions and run-time types, without a warning. Then the tests run twice: as C++20 by $CXX, instrumented by
# AddressSanitizer and UndefinedBehaviorSanitizer, and as C++17 without exceptions and run-time types by $CXX2, plain under valgrind. First the
# canaries must die under both. The adapters' tests need PYTHON, an interpreter with pyarrow, whose wheels have Arrow C++.
# CXX, CXX2 (default: the one of g++ and clang++ that CXX is not), CC, JOBS and CHECKERS ("asan valgrind") can be set.
set -eu
build=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/../.."
cc=${CC:-cc}
cxx=${CXX:-g++}
case $cxx in *clang*) other=g++ ;; *) other=clang++ ;; esac
cxx2=${CXX2:-$other}
jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)}
checkers=${CHECKERS:-asan valgrind}
out=$build/cpp-tests
all='test_conformance test_api test_async test_memtable test_spill test_cache test_nanoarrow test_arrow'
programs=${*:-$all}
failed=0 passed=0
command -v "$cxx2" >/dev/null 2>&1 || { echo "weir: $cxx2 is missing (Debian: sudo apt-get install clang g++); testing with $cxx alone" >&2; cxx2=$cxx; }

rm -rf "$out"
mkdir -p "$out/asan" "$out/valgrind" "$out/logs"
# A copy: cargo may replace the library while this runs.
cp "$build/libweir.so" "$out/libweir.so.0"
ln -sf libweir.so.0 "$out/libweir.so"

# Arrow C++ and nanoarrow, where they are to be had.
arrow= nanoarrow=
if [ -n "${PYTHON:-}" ]; then
  arrow=$("$PYTHON" -c 'import pyarrow; print(pyarrow.__path__[0])' 2>/dev/null || true)
  sh tests/cpp/nanoarrow.sh "$PYTHON" "$build/nanoarrow" && nanoarrow=$build/nanoarrow || true
fi
skip() { # skip PROGRAM WHY
  echo "    $1: skipped: $2"
  programs=$(echo " $programs " | sed "s/ $1 / /")
}
if [ -z "$arrow" ]; then skip test_arrow "no Arrow C++; set PYTHON to an interpreter with pyarrow (make test-cpp does)"; fi
if [ -z "$nanoarrow" ]; then skip test_nanoarrow "no nanoarrow; set PYTHON to an interpreter with pip (make test-cpp does)"; fi

sh tests/cpp/coverage.sh && passed=1 || failed=1

warnings='-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Werror'
include='-Iinclude -Ibindings/cpp/include -Itests/cpp'
external="${arrow:+-isystem $arrow/include} ${nanoarrow:+-isystem $nanoarrow/include}"

# ---- Headers alone ----

header_compiles() { # header_compiles COMPILER STANDARD FLAGS HEADER
  # shellcheck disable=SC2086 # lists of flags
  printf '#include <weir/%s>\n#include <weir/%s>\n' "$4" "$4" | $1 -x c++ -std=$2 $3 $warnings $include $external -fsyntax-only - ||
    { echo "weir/$4 does not compile alone: $1 -std=$2 $3"; return 1; }
}
count() { if header_compiles "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi; }
for header in $(cd bindings/cpp/include/weir && echo *.hpp); do
  case $header in # Arrow C++ itself needs C++20 and run-time types, and newer compilers than some
    arrow.hpp) if [ -n "$arrow" ]; then count g++ c++20 '' "$header"; fi ;;
    nanoarrow.hpp) if [ -n "$nanoarrow" ]; then count "$cxx" c++17 '' "$header" && count "$cxx2" c++20 '' "$header"; fi ;;
    *) count "$cxx" c++17 '' "$header" ;;
  esac
done
for compiler in $(printf '%s\n%s\n' "$cxx" "$cxx2" | sort -u); do
  case $compiler in *clang*) documentation=-Wdocumentation ;; *) documentation= ;; esac
  for standard in c++17 c++20; do
    for flags in '' '-fno-exceptions -fno-rtti'; do count "$compiler" "$standard" "$flags $documentation" weir.hpp; done
  done
done

# ---- Programs ----

compile() { # compile CHECKER PROGRAM
  compiler=$cxx flags='-std=c++20' libraries=
  if [ "$1" = asan ]; then
    flags="$flags -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
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

run() { # run CHECKER PROGRAM ARGUMENTS…: exit code 99 where the checker found something
  checker=$1 program=$2
  shift 2
  export ARROW_DEFAULT_MEMORY_POOL=system # one that the checkers see
  case $checker in
    asan)
      ASAN_OPTIONS="exitcode=99:detect_leaks=$leaks:abort_on_error=0:handle_abort=1" UBSAN_OPTIONS=print_stacktrace=1:exitcode=99 \
        timeout 300 "$out/asan/$program" "$@"
      ;;
    valgrind)
      timeout 900 valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite \
        --num-callers=30 --fair-sched=try "$out/valgrind/$program" "$@"
      ;;
  esac
}

# LeakSanitizer cannot work where the process is traced or ptrace is forbidden; valgrind looks for leaks in any case.
leaks=1
for checker in $checkers; do
  compile "$checker" canary
  if [ "$checker" = asan ] && run asan canary leak 2>&1 | grep -q 'LeakSanitizer has encountered a fatal error'; then
    echo "LeakSanitizer does not work here; leaks are left to valgrind"
    leaks=0
  fi
  for how in leak use-after-free; do
    if [ "$checker" = asan ] && [ "$leaks" = 0 ] && [ "$how" = leak ]; then continue; fi
    code=0
    run "$checker" canary "$how" >"$out/logs/canary.$checker.$how" 2>&1 || code=$?
    if [ "$code" = 99 ]; then
      passed=$((passed + 1))
    else
      echo "canary $how lives under $checker (exit code $code): the checker is not on"
      failed=$((failed + 1))
    fi
  done
done

# As many programs at once as there are processors; each leaves its output and its exit code.
one() { # one CHECKER PROGRAM
  log=$out/logs/$2.$1
  code=0
  { compile "$1" "$2" && run "$1" "$2"; } >"$log" 2>&1 || code=$?
  echo "$code" >"$log.code"
}
running=0
for checker in $checkers; do
  for program in $programs; do
    one "$checker" "$program" &
    running=$((running + 1))
    if [ "$running" -ge "$jobs" ]; then
      wait
      running=0
    fi
  done
done
wait

for checker in $checkers; do
  echo "  $checker"
  for program in $programs; do
    log=$out/logs/$program.$checker
    code=$(cat "$log.code" 2>/dev/null || echo none)
    if [ "$code" = 0 ]; then
      passed=$((passed + 1))
      grep -e ' passed, ' -e ': skipped' "$log" || true
    else
      failed=$((failed + 1))
      echo "--- $program under $checker: exit code $code ---"
      cat "$log"
    fi
  done
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
