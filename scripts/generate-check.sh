#!/usr/bin/env bash
# usage: generate-check.sh GO
# Fails when `go generate` changes a file: what is generated must be committed.
set -euo pipefail
go=$1
state() { git ls-files -z --cached --others --exclude-standard | xargs -0 cksum 2>/dev/null || true; }
before=$(state)
"$go" generate ./...
after=$(state)
if [ "$before" != "$after" ]; then
	echo "generated files are stale; run 'make generate' and commit:"
	diff <(printf '%s\n' "$before") <(printf '%s\n' "$after") | awk '/^[<>]/ { print "  " $4 }' | sort -u
	exit 1
fi
