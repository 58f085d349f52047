#!/usr/bin/env bash
# usage: test.sh all|quick   (through make)
# Runs every step even when one fails, the Go tests last, so that the output
# ends with the lines of `go test`, failed steps among them.
set -uo pipefail
mode=${1:?usage: test.sh all|quick}
go=${GO:-go} make=${MAKE:-make}
failed=()

step() {
	local name=$1 start=$SECONDS
	shift
	printf '== %s\n' "$name"
	if "$@"; then
		printf 'ok   %s (%ss)\n' "$name" $((SECONDS - start))
	else
		printf 'FAIL %s (%ss)\n' "$name" $((SECONDS - start))
		failed+=("$name")
	fi
}

go_tests() {
	local log
	log=$(mktemp)
	trap 'rm -f "$log"' RETURN
	"$go" test "$@" ./... 2>&1 | tee "$log" | grep -v 'no test files'
	local status=${PIPESTATUS[0]}
	if [ "$status" -ne 0 ]; then
		# The reasons once more, above the summary: the log is long.
		printf '\n== failures\n'
		grep -hE -A 20 '^\s*--- FAIL|^panic:|WARNING: DATA RACE|\[(build|setup) failed\]' "$log" |
			grep -v 'no test files' | head -200
	fi
	printf '\n== summary\n'
	for name in "${failed[@]+"${failed[@]}"}"; do
		printf 'FAIL\t%s\n' "$name"
	done
	grep -E $'^(ok  |FAIL|---)[ \t]' "$log" | grep -vE '^--- ' | sort -u -k2,2
	return "$status"
}

step lint "$make" --no-print-directory lint
step shim-test scripts/shim-test.sh "$mode"
if [ "$mode" = quick ]; then
	go_tests -short
else
	step generate-check "$make" --no-print-directory generate-check
	step cross "$make" --no-print-directory cross
	# Packages are really installed here; plain `go test ./...` skips that.
	RUNAGENT_TEST_NETWORK=1 go_tests -race -timeout 20m
fi
status=$?
[ "$status" -eq 0 ] && [ "${#failed[@]}" -eq 0 ]
