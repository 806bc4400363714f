#!/bin/sh
# run.sh BUILD_DIR DIR [put|durable|tail …]: the benchmark of the Java binding as `make bench-java` compiled it, with BUILD_DIR/libweir.so.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
out=$(cd "$1" && pwd)
shift
home=$(sh "$root/scripts/jdk.sh")
unsafe=''
if "$home/bin/java" --sun-misc-unsafe-memory-access=allow -version >/dev/null 2>&1; then unsafe=--sun-misc-unsafe-memory-access=allow; fi
# shellcheck disable=SC2086 # none or one option
exec "$home/bin/java" --add-opens=java.base/java.nio=ALL-UNNAMED --enable-native-access=ALL-UNNAMED $unsafe \
  -Dweir.library.path="$out" ${WEIR_JAVA_FLAGS:-} \
  -cp "$out/bench/java:$root/bindings/java/target/classes:$root/bindings/java/target/lib/*" Bench "$@"
