#!/bin/sh
# Fails, naming them, if the header has functions that no C test calls.
set -eu
cd "$(dirname "$0")/../.."
functions=$(sed 's://.*$::; s:^ \*.*$::' include/weir.h | grep -o '\bweir_[a-z0-9_]*(' | tr -d '(' | sort -u)
[ -n "$functions" ] || { echo "no functions in include/weir.h" >&2; exit 1; }
missing=
for function in $functions; do
  grep -qw "$function" tests/c/test_*.c || missing="$missing $function"
done
if [ -n "$missing" ]; then
  echo "no C test calls:$missing" >&2
  exit 1
fi
echo "every function of weir.h is called by a C test: $(echo "$functions" | wc -l)"
