#!/usr/bin/env bash
# Tests with clients that are not ours, against the broker of this tree, or the one that BROKER_BIN names.
set -euo pipefail
cd "$(dirname "$0")/../interop"

[ -d node_modules ] || npm ci --no-audit --no-fund
npm test
