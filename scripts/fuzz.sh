#!/usr/bin/env bash
# usage: fuzz.sh GO TIME
# Runs every fuzz target of the module for TIME, one after the other.
set -euo pipefail
go=$1 time=$2
grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' --exclude-dir=.tools --exclude-dir=node_modules . | sort | while read -r file; do
	dir=$(dirname "$file")
	grep -oE '^func Fuzz[A-Za-z0-9_]+' "$file" | sed 's/^func //' | while read -r target; do
		echo "== $dir $target"
		"$go" test "$dir" -run '^$' -fuzz "^$target\$" -fuzztime "$time"
	done
done
