#!/bin/sh
# need.sh TOOL PACKAGE: makes sure that TOOL can be run. Installs PACKAGE where that takes no password (Debian and its kin, as
# root); otherwise says what is missing and how to get it.
set -eu
tool=$1 package=$2
if command -v "$tool" >/dev/null 2>&1; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing $package (for $tool)"
  { apt-get install -y -q "$package" || { apt-get update -q && apt-get install -y -q "$package"; }; } >/dev/null 2>&1 || true
  if command -v "$tool" >/dev/null 2>&1; then exit 0; fi
fi
echo "weir: $tool is missing; install the package $package (Debian: sudo apt-get install $package)" >&2
exit 1
