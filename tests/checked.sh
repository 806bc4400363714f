# Sourced, at the root of the tree, by tests/c/run.sh and tests/cpp/run.sh: runs programs under the memory checkers asan (AddressSanitizer and
# UndefinedBehaviorSanitizer) and valgrind. Who sources it defines `compile CHECKER PROGRAM`, which makes $out/CHECKER/PROGRAM.
# JOBS (how many programs at once; default: the processors) and CHECKERS ("asan valgrind") can be set.
jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)}
checkers=${CHECKERS:-asan valgrind}
asan_flags='-O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer'
leaks=1 passed=0 failed=0

prepare() { # prepare BUILD_DIR OUT: empties $out, and puts the library there
  out=$2
  rm -rf "$out"
  mkdir -p "$out/asan" "$out/valgrind" "$out/logs"
  # A copy: cargo may replace the library while this runs.
  cp "$1/libweir.so" "$out/libweir.so.0"
  ln -sf libweir.so.0 "$out/libweir.so"
}

count() { # count COMMAND…: whether it succeeds counts
  if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
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

dies() { # dies CHECKER HOW: whether the checker sees what the canary does wrong
  code=0
  run "$1" canary "$2" >"$out/logs/canary.$1.$2" 2>&1 || code=$?
  [ "$code" = 99 ] || { echo "canary $2 lives under $1 (exit code $code): the checker is not on"; return 1; }
}

canaries() { # canaries HOW…: each must die under each checker
  for checker in $checkers; do
    compile "$checker" canary
    # LeakSanitizer cannot work where the process is traced or ptrace is forbidden; valgrind looks for leaks in any case.
    if [ "$checker" = asan ] && run asan canary leak 2>&1 | grep -q 'LeakSanitizer has encountered a fatal error'; then
      echo "LeakSanitizer does not work here; leaks are left to valgrind"
      leaks=0
    fi
    for how in "$@"; do
      case $checker$leaks$how in asan0leak*) ;; *) count dies "$checker" "$how" ;; esac
    done
  done
}

one() { # one CHECKER PROGRAM: leaves its output and its exit code
  log=$out/logs/$2.$1
  code=0
  { compile "$1" "$2" && run "$1" "$2"; } >"$log" 2>&1 || code=$?
  echo "$code" >"$log.code"
}

passes() { # passes CHECKER PROGRAM: whether it did
  log=$out/logs/$2.$1
  code=$(cat "$log.code" 2>/dev/null || echo none)
  if [ "$code" = 0 ]; then
    grep -e ' passed, ' -e ': skipped' "$log" || true
    return 0
  fi
  echo "--- $2 under $1: exit code $code ---"
  cat "$log"
  return 1
}

programs() { # programs PROGRAM…: runs all under each checker, as many at once as there are jobs, and ends with what came of it
  running=0
  for checker in $checkers; do
    for program in "$@"; do
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
    for program in "$@"; do count passes "$checker" "$program"; done
  done
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ]
}
