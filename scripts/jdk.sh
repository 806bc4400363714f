#!/bin/sh
# jdk.sh [VERSION]: prints the home of a JDK of at least VERSION (default 22): JAVA_HOME if it is one, else the newest of those installed
# beside each other, else the one on the PATH. Says in one line what is missing if there is none.
set -eu
least=${1:-22}

version() { # version HOME: its major version, or 0 if that is no JDK
  if [ -x "$1/bin/javac" ] && [ -x "$1/bin/java" ]; then
    found=$("$1/bin/javac" -version 2>&1 | sed -n 's/^javac \([0-9][0-9]*\).*/\1/p')
    echo "${found:-0}"
  else
    echo 0
  fi
}

if [ -n "${JAVA_HOME:-}" ] && [ "$(version "$JAVA_HOME")" -ge "$least" ]; then
  echo "$JAVA_HOME"
  exit 0
fi
best='' newest=0
for home in /usr/lib/jvm/* /Library/Java/JavaVirtualMachines/*/Contents/Home "$HOME"/.sdkman/candidates/java/*; do
  this=$(version "$home")
  if [ "$this" -ge "$least" ] && [ "$this" -gt "$newest" ]; then best=$home newest=$this; fi
done
if [ -z "$best" ] && path=$(command -v javac); then
  home=$(dirname "$(dirname "$(readlink -f "$path")")")
  if [ "$(version "$home")" -ge "$least" ]; then best=$home; fi
fi
if [ -n "$best" ]; then
  echo "$best"
  exit 0
fi
echo "weir: no JDK of version $least or later was found (JAVA_HOME${JAVA_HOME:+=$JAVA_HOME}, /usr/lib/jvm); install one, such as the package openjdk-25-jdk-headless, or set JAVA_HOME" >&2
exit 1
