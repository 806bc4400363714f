#!/bin/sh
# Fails, naming them, if the C header has functions that the C++ headers do not use. Options are filled from the header's initialisers.
set -eu
cd "$(dirname "$0")/../.."
functions=$(sed 's://.*$::; s:^ \*.*$::' include/weir.h | grep -o '\bweir_[a-z0-9_]*(' | tr -d '(' | sort -u | grep -v '_options_init$')
[ -n "$functions" ] || { echo "no functions in include/weir.h" >&2; exit 1; }
missing=
for function in $functions; do
  grep -qw "$function" bindings/cpp/include/weir/*.hpp || missing="$missing $function"
done
if [ -n "$missing" ]; then
  echo "no part of the C++ binding:$missing" >&2
  exit 1
fi
echo "the C++ binding has every function of weir.h: $(echo "$functions" | wc -l)"
