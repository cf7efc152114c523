// Builds the broker once for all test files and runs them with node --test.
// Arguments go to node: `npm test -- --test-name-pattern=transaction`, or the
// names of test files.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { buildBroker } from './lib/broker.js';

// Two files at a time, for two processors. The time limit is for one test or
// one file, so it is what the slowest file may take.
const flags = ['--test', '--test-concurrency=2', '--test-timeout=60000', '--test-reporter=spec'];

const folder = await mkdtemp(path.join(tmpdir(), 'hoofbeat-interop-'));
let node;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => node?.kill(signal));
}
try {
  const program = process.env.BROKER_BIN || (await buildBroker(folder));
  node = spawn(process.execPath, [...flags, ...process.argv.slice(2)], {
    cwd: import.meta.dirname,
    env: { ...process.env, BROKER_BIN: path.resolve(program) },
    stdio: 'inherit',
  });
  const [code] = await once(node, 'exit');
  process.exitCode = code ?? 1;
} catch (error) {
  console.error(error.stderr || error); // what the compiler says, if it is that
  process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
