#!/usr/bin/env bash
# Tests with clients that are not ours, against bin/hoofbeat.
set -euo pipefail
cd "$(dirname "$0")/../interop"

[ -d node_modules ] || npm ci --no-audit --no-fund
npm test
