#!/bin/sh
# venv.sh DIR REQUIREMENTS: a Python virtual environment in DIR with exactly the packages of REQUIREMENTS.
set -eu
dir=$1 requirements=$2
sh "$(dirname "$0")/need.sh" python3 python3
# Debian splits the module that makes environments from python3; the interpreter's own minor version names its package.
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
  package=python3-venv
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing $package"
    { apt-get install -y -q "$package" || { apt-get update -q && apt-get install -y -q "$package"; }; } >/dev/null 2>&1 || true
  fi
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    echo "weir: python3 cannot make virtual environments; install the package $package (Debian: sudo apt-get install $package)" >&2
    exit 1
  fi
fi
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "weir: the tests' packages need Python 3.11 or newer, and python3 is $(python3 -V 2>&1)" >&2
  exit 1
fi
rm -rf "$dir"
python3 -m venv "$dir"
"$dir/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
