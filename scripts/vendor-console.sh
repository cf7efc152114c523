#!/usr/bin/env bash
# Copies the console's libraries, unchanged, from the npm packages in interop/package-lock.json. A test in interop
# compares them. After a change there, run `cd interop && npm ci`, run this script, and check the licences.
set -euo pipefail
cd "$(dirname "$0")/.."

from=interop/node_modules
to=admin/console/files/vendor
[ -d "$from/preact" ] || (cd interop && npm ci --no-audit --no-fund)

rm -rf "$to"
mkdir -p "$to"
cp "$from/preact/dist/preact.mjs" "$to/preact.mjs"
cp "$from/preact/LICENSE" "$to/preact.LICENSE"
cp "$from/htm/dist/htm.mjs" "$to/htm.mjs"
cp "$from/htm/LICENSE" "$to/htm.LICENSE"
cp "$from/@stomp/stompjs/bundles/stomp.umd.min.js" "$to/stomp.umd.min.js"
cp "$from/@stomp/stompjs/LICENSE" "$to/stompjs.LICENSE"
chmod 644 "$to"/*

version() { node -p "require('./$from/$1/package.json').version"; }
cat >"$to/README.md" <<END
Unchanged files of npm packages, copied by \`scripts/vendor-console.sh\`. A test in \`interop\` compares them with the packages that are installed there.

| file | package | version | licence |
|---|---|---|---|
| \`preact.mjs\` | \`preact\`, \`dist/preact.mjs\` | $(version preact) | MIT, \`preact.LICENSE\` |
| \`htm.mjs\` | \`htm\`, \`dist/htm.mjs\` | $(version htm) | Apache 2.0, \`htm.LICENSE\` |
| \`stomp.umd.min.js\` | \`@stomp/stompjs\`, \`bundles/stomp.umd.min.js\` | $(version @stomp/stompjs) | Apache 2.0, \`stompjs.LICENSE\` |
END
