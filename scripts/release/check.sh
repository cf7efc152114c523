#!/usr/bin/env bash
# Builds a release twice, from two clones of HEAD at different paths, without a build cache, and compares all files.
# VERSION and PLATFORMS are passed to scripts/release.sh. lintian checks the Debian packages if it is installed.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for clone in one 'another clone'; do
  git clone -q . "$work/$clone"
  (cd "$work/$clone" && GOCACHE="$work/cache" OUT="$work/$clone.out" bash scripts/release.sh)
  rm -rf "$work/cache" # the second build must not use results of the first
done
diff -r "$work/one.out" "$work/another clone.out"
if command -v lintian >/dev/null; then
  lintian --allow-root --fail-on error,warning "$work"/one.out/*.deb
fi
echo 'release-check: the same bytes, twice'
