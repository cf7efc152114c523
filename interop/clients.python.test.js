// stomp.py: runs python/run.py. Its output lines become tests and rows of the table python/target/features.tsv.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';

import { buildBroker } from './lib/build.js';
import { noPython, python } from './python/python.js';

const here = path.join(import.meta.dirname, 'python');

async function program(t) {
  if (process.env.BROKER_BIN) {
    return path.resolve(process.env.BROKER_BIN);
  }
  const folder = mkdtempSync(path.join(tmpdir(), 'hoofbeat-python-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return buildBroker(folder);
}

test('stomp.py', { skip: noPython }, async (t) => {
  const child = spawn(await python(), ['run.py'], {
    cwd: here, env: { ...process.env, BROKER_BIN: await program(t), PYTHONDONTWRITEBYTECODE: '1' }, stdio: ['ignore', 'pipe', 'pipe'], detached: true,
  });
  const ended = once(child, 'close');
  t.after(() => {
    try {
      process.kill(-child.pid, 'SIGKILL'); // with its brokers
    } catch {
      // all of them have ended
    }
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
  const rows = [];
  for await (const line of createInterface({ input: child.stdout })) {
    rows.push(line);
    const [client, feature, result] = line.split('\t');
    await t.test(`${client}: ${feature}`, () => assert.equal(result, 'pass'));
  }
  const [code] = await ended;
  mkdirSync(path.join(here, 'target'), { recursive: true });
  writeFileSync(path.join(here, 'target', 'features.tsv'), rows.map((row) => `${row}\n`).join(''));
  assert.equal(code, 0, errors);
  assert.ok(rows.length >= 50, `${rows.length} features were tried`);
});
