#!/usr/bin/env bash
# Makes sure of a C compiler for `go test -race`, where this machine lets us.
set -euo pipefail
command -v gcc >/dev/null && exit 0
command -v clang >/dev/null && exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
	echo "installing gcc, which the race detector needs"
	apt-get update -qq >/dev/null
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq gcc libc6-dev >/dev/null
	exit 0
fi
echo "the race detector needs a C compiler: install gcc or clang" >&2
exit 1
