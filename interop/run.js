// Builds the broker once for all test files and runs them with node --test. Arguments are passed to node: `npm test
// -- --test-name-pattern=transaction`, or names of test files.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { buildBroker } from './lib/build.js';

// Two files at a time, for two processors. The time limit applies to one test or one file, so it is that of the
// slowest file on a busy machine.
const flags = ['--test', '--test-concurrency=2', '--test-timeout=180000', '--test-reporter=spec', '--test-reporter-destination=stdout',
  '--test-reporter=./lib/features.js', '--test-reporter-destination=target/features.tsv'];
mkdirSync(path.join(import.meta.dirname, 'target'), { recursive: true });

const folder = mkdtempSync(path.join(tmpdir(), 'hoofbeat-interop-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

let node;
for (const signal of ['SIGINT', 'SIGTERM']) {
  // Signals each test file, because node does not forward signals. They end their child processes, and then this
  // process ends, too.
  process.on(signal, () => (node ? process.kill(-node.pid, 'SIGTERM') : process.exit(1)));
}

try {
  const program = process.env.BROKER_BIN || (await buildBroker(folder));
  node = spawn(process.execPath, [...flags, ...process.argv.slice(2)], {
    cwd: import.meta.dirname,
    env: { ...process.env, BROKER_BIN: path.resolve(program) },
    stdio: 'inherit',
    detached: true, // a process group of its own
  });
  const [code] = await once(node, 'exit');
  process.exitCode = code ?? 1;
} catch (error) {
  console.error(error.stderr || error); // the compiler's output, if it failed
  process.exitCode = 1;
}
