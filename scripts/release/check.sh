#!/usr/bin/env bash
# Makes a release twice, from two clones of HEAD at different paths, each with everything compiled anew, and compares all files.
# VERSION and PLATFORMS are those of scripts/release.sh. lintian, where it is installed, looks at the Debian packages.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for clone in one 'another clone'; do
  git clone -q . "$work/$clone"
  (cd "$work/$clone" && GOCACHE="$work/cache" OUT="$work/$clone.out" bash scripts/release.sh)
  rm -rf "$work/cache" # nothing that was compiled for the first is there for the second
done
diff -r "$work/one.out" "$work/another clone.out"
if command -v lintian >/dev/null; then
  lintian --allow-root --fail-on error,warning "$work"/one.out/*.deb
fi
echo 'release-check: the same bytes, twice'
