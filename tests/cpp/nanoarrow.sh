#!/bin/sh
# nanoarrow.sh PYTHON DIR: the C sources of nanoarrow in DIR, from its Python package, as no system package has them: headers in
# DIR/include, and the library as DIR/*.c.
set -eu
python=$1 dir=$2 version=0.9.0
if [ -f "$dir/$version" ]; then exit 0; fi
rm -rf "$dir"
mkdir -p "$dir/sdist"
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary nanoarrow --dest "$dir/sdist" "nanoarrow==$version"
tar -xzf "$dir/sdist/nanoarrow-$version.tar.gz" -C "$dir/sdist"
source=$dir/sdist/nanoarrow-$version/subprojects/arrow-nanoarrow/src/nanoarrow
mkdir -p "$dir/include/nanoarrow"
cp -R "$source/." "$dir/include/nanoarrow"
cp "$source/common/array.c" "$source/common/array_stream.c" "$source/common/schema.c" "$source/common/utils.c" "$dir"
# What its own build fills in.
sed -e "s/@NANOARROW_VERSION_MAJOR@/${version%%.*}/" -e "s/@NANOARROW_VERSION_MINOR@/$(echo "$version" | cut -d. -f2)/" \
  -e "s/@NANOARROW_VERSION_PATCH@/${version##*.}/" -e "s/@NANOARROW_VERSION@/$version/" -e 's/@NANOARROW_NAMESPACE_DEFINE@//' \
  "$source/nanoarrow_config.h.in" >"$dir/include/nanoarrow/nanoarrow_config.h"
rm -rf "$dir/sdist"
touch "$dir/$version"
