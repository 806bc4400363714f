#!/bin/sh
# run.sh [-d DIR] [-r ROUNDS] [-o FILE] c=PROGRAM [cpp=PROGRAM] [go=PROGRAM] [java=PROGRAM]: the figures of the bindings beside those of C, from
# runs in turns, the median of the rounds. PROGRAM is a command; it is run as `PROGRAM DIR put|durable|tail` and prints lines `name value`:
#
#   put_ns            ns per put of a prepared 20-row batch that is only admitted; put_c_ns: the C call's, if measured in the same process
#   put_arrow_ns      the same of batches that the Arrow library exported, whose release is a function of that library's
#   put_export_ns     ns of the Arrow library's own export of that batch
#   durable_per_s     durable puts a second of many callers (C and C++: 16 threads; else 1,000 goroutines or virtual threads)
#   durable_threads   threads that took, above those of the idle runtime
#   tail_rows_per_s   rows tailed a second, 10,000 to a batch
#
# The figures are shown as a table, and put into FILE as JSON lines in place of those that it has of the bindings.
set -eu
dir=${TMPDIR:-/tmp} rounds=3 out=target/bench/weir.jsonl
while getopts d:r:o: option; do
  case $option in
    d) dir=$OPTARG ;;
    r) rounds=$OPTARG ;;
    o) out=$OPTARG ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))
case "${1:-}" in c=*) ;; *) echo "run.sh: the first program must be c=PROGRAM: it is what the others are held against" >&2; exit 2 ;; esac

work=$(mktemp -d "$dir/weir-bind-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
round=1
while [ "$round" -le "$rounds" ]; do
  for part in put durable tail; do
    for program in "$@"; do
      name=${program%%=*} command=${program#*=}
      echo "… $part in $name, round $round of $rounds" >&2
      mkdir "$work/$part-$name-$round"
      # shellcheck disable=SC2086 # a command with its arguments
      $command "$work/$part-$name-$round" "$part" >"$work/lines"
      awk -v name="$name" '{ print name, $1, $2 }' "$work/lines" >>"$work/figures"
    done
  done
  round=$((round + 1))
done

mkdir -p "$(dirname "$out")"
touch "$out"
grep -v '"name":"bind\.' "$out" >"$work/others" || true
awk -v cores="$(getconf _NPROCESSORS_ONLN)" -v json="$work/json" '
  { values[$1, $2] = values[$1, $2] " " $3; seen[$1] = 1; if (!($1 in place)) { place[$1] = ++programs; names[programs] = $1 } }

  function median(program, figure,    all, n, i, j, t) {
    n = split(values[program, figure], all, " ")
    for (i = 2; i <= n; i++) for (j = i; j > 1 && all[j] + 0 < all[j - 1] + 0; j--) { t = all[j]; all[j] = all[j - 1]; all[j - 1] = t }
    return all[int(n / 2) + 1] + 0
  }
  function has(program, figure) { return (program, figure) in values }
  function short(v) { return v >= 1000 || v <= -1000 ? sprintf("%.0f", v) : v >= 10 || v <= -10 ? sprintf("%.1f", v) : sprintf("%.2f", v) }
  # What is held against the target is `ratio`. A target is "<=n", ">=n" or empty.
  function figure(name, value, unit, limit, ratio, target,    bound, ok) {
    bound = substr(target, 3) + 0
    ok = target == "" || (substr(target, 1, 1) == "<" ? ratio <= bound : ratio >= bound)
    printf "%-28s %12s %-7s %12s %9s  %-10s %s\n", name, short(value), unit, limit == "" ? "-" : short(limit), short(ratio),
      target == "" ? "-" : substr(target, 1, 2) " " bound, target == "" ? "" : ok ? "ok" : "MISSED"
    printf "{\"limit\":%s,\"name\":\"%s\",\"ok\":%s,\"ratio\":%.6g,\"target\":%s,\"unit\":\"%s\",\"value\":%.6g}\n", limit == "" ? "null" : sprintf("%.6g", limit),
      name, ok ? "true" : "false", ratio, target == "" ? "null" : bound, unit, value >json
  }

  END {
    printf "%-28s %12s %-7s %12s %9s  %-10s\n", "figure", "value", "unit", "limit", "ratio", "target"
    for (p = 1; p <= programs; p++) {
      name = names[p]
      managed = name == "go" || name == "java"
      if (has(name, "put_ns")) {
        own = median(name, "put_ns")
        beside = has(name, "put_c_ns") ? median(name, "put_c_ns") : median("c", "put_ns")
        if (name == "c") figure("bind.c.put", own, "ns", "", own, "")
        else figure("bind." name ".put", own - beside, "ns", beside, own - beside, name == "cpp" ? "<=20" : managed ? "<=500" : "")
      }
      if (has(name, "put_arrow_ns")) {
        own = median(name, "put_arrow_ns")
        beside = median("c", "put_ns")
        figure("bind." name ".put_arrow", own - beside, "ns", beside, own - beside, "")
      }
      if (has(name, "put_export_ns")) figure("bind." name ".export", median(name, "put_export_ns"), "ns", "", median(name, "put_export_ns"), "")
      if (has(name, "durable_per_s")) {
        own = median(name, "durable_per_s")
        limit = median("c", "durable_per_s")
        figure("bind." name ".durable", own, "puts/s", limit, own / limit, managed ? ">=0.9" : "")
      }
      if (has(name, "durable_threads")) {
        own = median(name, "durable_threads")
        figure("bind." name ".threads", own, "", managed ? cores + 8 : "", own, managed ? "<=" cores + 8 : "")
      }
      if (has(name, "tail_rows_per_s")) {
        own = median(name, "tail_rows_per_s")
        limit = median("c", "tail_rows_per_s")
        figure("bind." name ".tail", own, "rows/s", limit, own / limit, managed ? ">=0.85" : "")
      }
    }
  }' "$work/figures"
cat "$work/others" "$work/json" >"$work/all"
cp "$work/all" "$out"
