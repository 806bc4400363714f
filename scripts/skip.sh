#!/bin/sh
# skip.sh WHAT WHY: says that the tests of WHAT are skipped, and why. WHAT is also noted in the file WEIR_SKIPPED, for the last line of `make test`.
set -eu
echo "skipped: $1: ${2#weir: }"
if [ -n "${WEIR_SKIPPED:-}" ]; then echo "$1" >>"$WEIR_SKIPPED"; fi
