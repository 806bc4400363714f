#!/bin/sh
# platform.sh: prints the platform as release tarballs and the JAR's libraries are named by it (NativeLibrary.platform()), such as linux-x86_64.
set -eu
echo "$(uname -s)-$(uname -m)" | tr '[:upper:]' '[:lower:]' | sed 's/arm64/aarch64/;s/amd64/x86_64/'
