// The JavaScript in the project's README, unchanged.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';

import { startBroker } from './lib/broker.js';
import { connect } from './lib/stompjs.js';
import { Inbox, within } from './lib/wait.js';

const here = import.meta.dirname;
const readme = readFileSync(path.resolve(here, '..', 'README.md'), 'utf8');

// The lines that a reader in Node must add, and the address of the broker that `make run` starts.
const before = ["import { WebSocket } from 'ws'", 'Object.assign(globalThis, { WebSocket })'];
const documentedURL = 'ws://127.0.0.1:15674/ws';

/** The first JavaScript block. */
function firstBlock() {
  const [, block] = /^```js\n(.*?)^```$/ms.exec(readme) ?? [];
  assert.ok(block, 'README.md has a block of js');
  return block;
}

/** Runs a module with the packages installed here. It ends with the test. */
function run(t, source) {
  const folder = mkdtempSync(path.join(here, 'node_modules', '.readme-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'readme.mjs');
  writeFileSync(file, source);
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 30_000, killSignal: 'SIGKILL' });
  t.after(() => child.kill('SIGKILL'));
  const program = { child, ended: once(child, 'close'), errors: '', lines: new Inbox('a line of the program', () => program.errors) };
  createInterface({ input: child.stdout }).on('line', (line) => program.lines.put(line));
  child.stderr.setEncoding('utf8').on('data', (text) => (program.errors += text));
  return program;
}

test('the JavaScript of README.md', async (t) => {
  const block = firstBlock();
  const prose = readme.replace(/\s+/g, ' ');
  for (const line of before) {
    assert.ok(prose.includes(`\`${line}\``), `README.md says \`${line}\``);
  }
  assert.equal(block.split(documentedURL).length, 2, `${documentedURL} is in the block once`);

  const { url } = await startBroker(t);
  assert.equal(new URL(url).pathname, new URL(documentedURL).pathname);
  const program = run(t, `${before.join(';\n')};\n${block.replace(documentedURL, url)}`);
  assert.equal(await program.lines.next(), 'order two horseshoes');

  // The program acknowledges an order before it receives the next, so only the last one may be left when it is
  // killed.
  const c = await connect(t, url);
  await c.sendWithReceipt('/queue/orders', 'three nails');
  assert.equal(await program.lines.next(), 'order three nails');
  assert.equal(program.errors, '');
  program.child.kill('SIGTERM');
  assert.deepEqual(await within(program.ended, 'the end of the program'), [null, 'SIGTERM']);
  const inbox = await c.subscribe('/queue/orders');
  await c.sendWithReceipt('/queue/orders', 'a last one');
  const left = [];
  while (!left.includes('a last one')) {
    left.push((await inbox.next()).body);
  }
  assert.ok(!left.includes('two horseshoes'), 'the first order was acknowledged');
});
