#!/bin/sh
# dist.sh OUT DIR NAME: packs what install.sh installs, with README, licence and change log, as DIR/NAME.tar.gz. The same files give the
# same bytes.
set -eu
umask 022
out=$1 dir=$2 name=$3
cd "$(dirname "$0")/.."
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
PREFIX=/$name LIBDIR=lib DESTDIR=$stage sh scripts/install.sh "$out" >/dev/null
cp README.md CHANGELOG.md LICENSE "$stage/$name/"
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
tar -C "$stage" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$epoch" -cf "$stage/$name.tar" "$name"
gzip -n"${GZIP_LEVEL:-6}" "$stage/$name.tar"
mv -f "$stage/$name.tar.gz" "$dir/$name.tar.gz"
echo "$dir/$name.tar.gz"
