#!/usr/bin/env bash
# Runs every fuzz target of the tree for FUZZTIME (30s) each, one after another.
set -euo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# fuzz PACKAGE TARGET
fuzz() {
  echo "== $1 $2"
  go test -run '^$' -fuzz "^$2\$" -fuzztime "${FUZZTIME:-30s}" "$1" 2>&1 | tee "$log" && return
  # The go command may report its own time limit as a failure (https://go.dev/issue/48591). A real failure comes with
  # an input.
  grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input written to' "$log"
}

git grep --untracked -oE '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' | while IFS=: read -r file target; do
  fuzz "./$(dirname "$file")" "${target#func }" </dev/null
done
