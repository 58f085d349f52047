#!/usr/bin/env bash
# usage: shim-test.sh quick|all
# Runs the shim's tests: beside the libraries that agents return values of
# (make shim-libs), and with `all` under every supported Python on this
# machine too: the shim must work on 3.9 to 3.14, whichever an agent has.
set -uo pipefail
mode=${1:-all}
cd "$(dirname "$0")/../shim/python" || exit 1
root=$(cd ../.. && pwd)

# one PYTHON: run the tests with it and print a summary, or all of what failed.
one() {
	local out
	if out=$(PYTHONDONTWRITEBYTECODE=1 timeout 900 "$1" -m unittest discover -s tests 2>&1); then
		printf '%s: %s, %s\n' "$("$1" --version)" "$(grep -E '^Ran ' <<<"$out")" "$(tail -1 <<<"$out")"
		grep -E '^skipped: ' <<<"$out" | sort -u
		return 0
	fi
	printf '%s (%s): failed\n%s\n' "$("$1" --version)" "$1" "$out"
	return 1
}

# pythons prints the interpreters to test with, the one with libraries first.
pythons() {
	local seen=" " candidate path minor
	local libs=$root/.tools/shim-libs/bin/python
	if [ -x "$libs" ]; then
		echo "$libs"
		[ "$mode" = all ] || return
	fi
	for candidate in python3 python3.{9,10,11,12,13,14} "$HOME"/.pyenv/versions/3.*/bin/python; do
		path=$(command -v "$candidate" 2>/dev/null) || continue
		minor=$("$path" -c 'import sys; print("%d.%d" % sys.version_info[:2] if sys.version_info >= (3, 9) else "")' 2>/dev/null) || continue
		[ -n "$minor" ] || continue
		case "$seen" in *" $minor "*) continue ;; esac
		seen="$seen$minor "
		echo "$path"
		[ "$mode" = all ] || return
	done
}

if [ "$mode" = one ]; then
	one "$2"
	exit
fi
list=$(pythons)
[ -n "$list" ] || { echo "no Python 3.9 or later found" >&2; exit 1; }
# Two at a time: much of it is waiting.
xargs -P 2 -I{} "$root/scripts/shim-test.sh" one {} <<<"$list"
