#!/usr/bin/env bash
# Runs gofmt, go vet and staticcheck over the whole tree. Exits with 3 if the only problem is that staticcheck cannot
# be downloaded.
set -euo pipefail
cd "$(dirname "$0")/.."

staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.8.2 # 2026.2.2

echo '== gofmt'
unformatted=$(git ls-files -co --exclude-standard '*.go' | xargs -r gofmt -l)
if [ -n "$unformatted" ]; then
  printf 'not formatted, run gofmt -w:\n%s\n' "$unformatted"
  exit 1
fi

echo '== go vet'
go vet ./...

echo '== staticcheck'
if ! go run "$staticcheck" -version; then
  exit 3
fi
go run "$staticcheck" ./...
