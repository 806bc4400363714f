#!/bin/sh
# static_libs.sh CARGO FLAGS…: fails unless packaging/native-static-libs is what rustc says that libweir.a needs.
set -eu
cd "$(dirname "$0")/.."
cargo=$1
shift
said=$("$cargo" rustc "$@" --lib --crate-type staticlib -- --print native-static-libs 2>&1 | sed -n 's/^note: native-static-libs: //p')
written=$(cat packaging/native-static-libs)
if [ "$said" != "$written" ]; then
  echo "weir: packaging/native-static-libs says '$written', rustc says '$said'" >&2
  exit 1
fi
