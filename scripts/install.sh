#!/bin/sh
# install.sh OUT: installs what was built into OUT below $DESTDIR$PREFIX; `install.sh --uninstall` removes just that again.
#
# PREFIX (default /usr/local), LIBDIR (default lib: below the prefix) and DESTDIR are read from the environment. Each file appears whole or not at
# all, by a rename, so installs may be repeated, run at once, and replace a library that programs are using.
set -eu
umask 022 # directories that all may read, whoever installs

cd "$(dirname "$0")/.."
prefix=${PREFIX-/usr/local} lib=${LIBDIR-lib} destdir=${DESTDIR:-}
case $prefix in
  /*) prefix=${prefix%/} ;;
  *) echo "weir: PREFIX must be an absolute path, not '$prefix'" >&2; exit 2 ;;
esac
case $lib in
  /* | *..* | '' | */) echo "weir: LIBDIR is a path below the prefix, such as lib or lib/x86_64-linux-gnu, not '$lib'" >&2; exit 2 ;;
esac
root=$destdir$prefix
abi=0
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
headers=$(cd include && find . -name '*.h' -type f | sed 's,^\./,,' | sort)
cpp=bindings/cpp/include
if [ -d "$cpp" ]; then headers="$headers $(cd "$cpp" && find . -name '*.hpp' -type f | sed 's,^\./,,' | sort | tr '\n' ' ')"; fi

# One line for each file or link that is installed, below the prefix.
files() {
  for header in $headers; do echo "include/$header"; done
  printf '%s\n' "$lib/libweir.so.$version" "$lib/libweir.so.$abi" "$lib/libweir.so" "$lib/libweir.a" "$lib/pkgconfig/weir.pc" \
    "$lib/cmake/weir/weirConfig.cmake" "$lib/cmake/weir/weirConfigVersion.cmake" bin/weir
  for page in docs/man/*.1; do echo "share/man/man1/${page##*/}"; done
}

if [ "${1:-}" = --uninstall ]; then
  # Also other versions of the library: the links that go would have led to them.
  files | while read -r file; do rm -f "$root/$file"; done
  rm -f "$root/$lib/libweir.so.$abi".*
  # Directories that are weir's alone.
  for dir in include/weir "$lib/cmake/weir"; do rmdir "$root/$dir" 2>/dev/null || true; done
  echo "uninstalled weir from $root"
  exit 0
fi

out=${1:?usage: install.sh OUT | --uninstall}
for file in libweir.so libweir.a weir; do
  [ -f "$out/$file" ] || { echo "weir: $out/$file is missing: build first" >&2; exit 1; }
done
# What the C compiler of whoever links statically has to be told; `make check` compares it with what rustc says.
native=$(cat packaging/native-static-libs)
# From a file in DIR up to the prefix.
up() { echo "$1" | sed 's,[^/][^/]*,..,g'; }

temporary=
trap 'if [ -n "$temporary" ]; then rm -f "$temporary"; fi' EXIT
trap 'exit 130' INT TERM
begin() { # begin FILE: a temporary beside FILE
  target=$root/$1
  mkdir -p "${target%/*}"
  temporary=$(mktemp "${target%/*}/.weir.XXXXXX")
}
end() { # end MODE
  chmod "$1" "$temporary"
  mv -f "$temporary" "$target"
  temporary=
}
copy() { # copy MODE SOURCE FILE
  begin "$3"
  cp "$2" "$temporary"
  end "$1"
}
link() { # link TO FILE
  begin "$2"
  ln -sf "$1" "$temporary"
  mv -f "$temporary" "$target"
  temporary=
}
fill() { # fill TEMPLATE FILE DIR
  begin "$2"
  sed -e "s,@UP@,$(up "$3")," -e "s,@LIB@,$lib,g" -e "s,@VERSION@,$version,g" -e "s,@ABI@,$abi,g" -e "s,@SERIES@,${version%.*},g" \
    -e "s,@POINTER_BYTES@,$(($(getconf LONG_BIT) / 8)),g" -e "s,@NATIVE_STATIC_LIBS@,$native,g" "$1" >"$temporary"
  end 644
}

for header in $headers; do
  if [ -f "include/$header" ]; then copy 644 "include/$header" "include/$header"; else copy 644 "$cpp/$header" "include/$header"; fi
done
copy 755 "$out/libweir.so" "$lib/libweir.so.$version"
link "libweir.so.$version" "$lib/libweir.so.$abi"
link "libweir.so.$abi" "$lib/libweir.so"
copy 644 "$out/libweir.a" "$lib/libweir.a"
fill packaging/weir.pc.in "$lib/pkgconfig/weir.pc" "$lib/pkgconfig"
fill packaging/weirConfig.cmake.in "$lib/cmake/weir/weirConfig.cmake" "$lib/cmake/weir"
fill packaging/weirConfigVersion.cmake.in "$lib/cmake/weir/weirConfigVersion.cmake" "$lib/cmake/weir"
copy 755 "$out/weir" bin/weir
for page in docs/man/*.1; do copy 644 "$page" "share/man/man1/${page##*/}"; done
echo "installed weir $version into $root"
