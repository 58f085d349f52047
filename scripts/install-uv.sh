#!/usr/bin/env bash
# usage: install-uv.sh PYTHON VERSION TOOLS
# Installs uv at VERSION into TOOLS/uv, a virtual environment made by PYTHON.
set -euo pipefail
python=$1 version=$2 tools=$3

fail() { printf 'install uv: %s\n' "$*" >&2; exit 1; }

command -v "$python" >/dev/null || fail "$python not found; install Python 3.9 or later"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' ||
	fail "$("$python" --version) is too old; Python 3.9 or later is needed (make PYTHON=/path/to/python3)"

# Debian and Ubuntu ship Python without venv and ensurepip.
if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
	minor=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
		echo "installing python$minor-venv, which this system keeps apart from Python"
		apt-get update -qq >/dev/null
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "python$minor-venv" >/dev/null ||
			DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
	else
		fail "$python has no venv module; run: sudo apt-get install python$minor-venv"
	fi
fi

echo "installing uv $version into .tools/uv"
"$python" -m venv --clear "$tools/uv"
"$tools/uv/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$version"
mkdir -p "$tools/bin"
ln -sf ../uv/bin/uv "$tools/bin/uv" # alone: the python beside it is nobody's
"$tools/bin/uv" --version >/dev/null || fail "uv was installed but does not run"
