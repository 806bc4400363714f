#!/bin/sh
# run.sh BUILD_DIR [PROGRAM…]: builds the C tests against include/weir.h and BUILD_DIR/libweir.so and runs each twice: instrumented by
# AddressSanitizer and UndefinedBehaviorSanitizer, and plain under valgrind. First the canaries must die under both.
# CC, JOBS (how many programs at once; default: the processors) and CHECKERS ("asan valgrind") can be set.
set -eu
build=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/../.."
cc=${CC:-cc}
jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)}
checkers=${CHECKERS:-asan valgrind}
out=$build/c-tests
programs=${*:-$(cd tests/c && ls test_*.c | sed 's/\.c$//')}
failed=0 passed=0

rm -rf "$out"
mkdir -p "$out/asan" "$out/valgrind" "$out/logs"
# A copy: cargo may replace the library while this runs.
cp "$build/libweir.so" "$out/libweir.so.0"
ln -sf libweir.so.0 "$out/libweir.so"

sh tests/c/coverage.sh && passed=1 || failed=1
if foreign=$(nm -D --defined-only "$out/libweir.so.0" | awk '$2 != "A" { print $3 }' | sed 's/@.*//' | grep -v '^weir_'); then
  echo "exported without the prefix weir_: $foreign" | tr '\n' ' '
  failed=$((failed + 1))
else
  passed=$((passed + 1))
fi

flags="-std=c11 -D_XOPEN_SOURCE=700 -g -Wall -Wextra -Wpedantic -Werror -pthread -Iinclude -Itests/c"
compile() { # compile CHECKER PROGRAM
  extra=-O1
  if [ "$1" = asan ]; then extra='-O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer'; fi
  # shellcheck disable=SC2086 # lists of flags
  $cc $flags $extra -DWEIR_TEST_DATA="\"$PWD/examples/data/flights.arrow\"" -o "$out/$1/$2" "tests/c/$2.c" -L"$out" -lweir -Wl,-rpath,"$out"
}

run() { # run CHECKER PROGRAM ARGUMENTS…: exit code 99 where the checker found something
  checker=$1 program=$2
  shift 2
  case $checker in
    asan)
      ASAN_OPTIONS="exitcode=99:detect_leaks=$leaks:abort_on_error=0:handle_abort=1:allocator_may_return_null=1" \
        UBSAN_OPTIONS=print_stacktrace=1:exitcode=99 timeout 300 "$out/asan/$program" "$@"
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
  for how in overflow leak leak-of-weirs use-after-free; do
    if [ "$checker" = asan ] && [ "$leaks" = 0 ] && [ "${how#leak}" != "$how" ]; then continue; fi
    code=0
    run "$checker" canary "$how" >"$out/logs/canary.$checker.$how" 2>&1 || code=$?
    if [ "$code" = 99 ]; then
      passed=$((passed + 1))
    else
      echo "canary $how lives under $checker (exit code $code): the checker is not on"
      failed=$((failed + 1))
    fi
  done
  for program in $programs; do compile "$checker" "$program"; done
done

# As many programs at once as there are processors; each leaves its output and its exit code.
one() { # one CHECKER PROGRAM
  log=$out/logs/$2.$1
  code=0
  run "$1" "$2" >"$log" 2>&1 || code=$?
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
