#!/usr/bin/env bash
# Runs the shim's tests under every supported Python on this machine: the shim
# must work on 3.9 to 3.14, whichever one an agent's environment has.
set -uo pipefail
cd "$(dirname "$0")/.."
if ! ls shim/python/tests/test_*.py >/dev/null 2>&1; then
	echo "no shim tests"
	exit 0
fi

pythons=()
seen=" "
# The first has the libraries that agents return values of: make shim-libs.
if [ -x .tools/shim-libs/bin/python ]; then
	pythons+=("$PWD/.tools/shim-libs/bin/python")
fi
for candidate in python3 python3.{9,10,11,12,13,14} "$HOME"/.pyenv/versions/3.*/bin/python; do
	path=$(command -v "$candidate" 2>/dev/null) || continue
	minor=$("$path" -c 'import sys; print("%d.%d" % sys.version_info[:2]) if sys.version_info >= (3, 9) else None' 2>/dev/null) || continue
	[ -n "$minor" ] && [ "$minor" != None ] || continue
	case "$seen" in
	*" $minor "*) continue ;;
	esac
	seen="$seen$minor "
	pythons+=("$path")
done
[ "${#pythons[@]}" -gt 0 ] || { echo "no Python 3.9 or later found" >&2; exit 1; }

status=0
for python in "${pythons[@]}"; do
	if out=$(cd shim/python && PYTHONDONTWRITEBYTECODE=1 timeout 600 "$python" -m unittest discover -s tests 2>&1); then
		printf '%s: %s\n' "$("$python" --version)" "$(grep -E '^Ran ' <<<"$out")"
		grep -E '^skipped: ' <<<"$out" | sort -u
	else
		printf '%s (%s): failed\n%s\n' "$("$python" --version)" "$python" "$out"
		status=1
	fi
done
exit "$status"
