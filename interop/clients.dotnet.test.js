// The C# of docs/clients.md, compiled and run by Mono: its purpose, and its output for each fault before it
// reconnects.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { describe, test } from 'node:test';

import { addressed, blocks, broker, everybody, start, temporaryFile } from './lib/snippets.js';
import { configuration } from './lib/rules.js';
import { connect } from './lib/stompjs.js';
import { bearer, inSeconds, token } from './lib/tokens.js';
import { within } from './lib/wait.js';

function missing() {
  try {
    execFileSync('mcs', ['--version'], { stdio: 'ignore' });
    execFileSync('mono', ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'mono-mcs and mono-runtime are not installed';
  }
}

const noMono = missing();
if (noMono && process.env.CI === 'true') {
  throw new Error(`${noMono}, and with CI=true nothing may be skipped`);
}

/** The program on the page, started with a broker. */
function run(t, b, env) {
  const [{ text }, ...more] = blocks('csharp');
  assert.deepEqual(more, []);
  const source = temporaryFile(t, 'Program.cs', addressed(text, b));
  const program = path.join(path.dirname(source), 'Program.exe');
  execFileSync('mcs', ['-warnaserror', `-out:${program}`, source], { stdio: 'inherit' });
  return start(t, 'mono', [program], env);
}

// In milliseconds; the program waits 5 s before it reconnects.
const soon = 20_000;

const good = configuration({}, {}, everybody);
const other = (keys) => ({ ...good, ...keys });

describe('.NET, ClientWebSocket', { skip: noMono, concurrency: 6 }, () => {
  test('the program consumes what it sends', async (t) => {
    const b = await broker(t);
    const program = await run(t, b);
    assert.equal(await program.lines.next(), 'order two horseshoes');
    const c = await connect(t, b.url, await bearer('ada'));
    await c.sendWithReceipt('/queue/orders', 'three nails');
    assert.equal(await program.lines.next(), 'order three nails');
    assert.equal(program.errors, '');

    // It acknowledges an order before it receives the next, so only the last one may be left.
    program.child.kill('SIGKILL');
    await within(program.ended, 'the end of the program');
    const inbox = await c.subscribe('/queue/orders');
    await c.sendWithReceipt('/queue/orders', 'a last one');
    let left = (await inbox.next()).body;
    if (left === 'three nails') {
      left = (await inbox.next()).body;
    }
    assert.equal(left, 'a last one');
  });

  test('a broker that restarts', async (t) => {
    const b = await broker(t);
    const program = await run(t, b);
    assert.equal(await program.lines.next(), 'order two horseshoes');
    await b.crash();
    assert.match(await program.complaints.next(), /^the connection has ended: /);
    assert.equal(await program.lines.next(soon), 'order two horseshoes');
  });

  const faults = {
    'unknown destination': { config: other({ prefixes: { queue: ['/jobs/'] }, acl: [{ ...everybody[0], destinations: ['/jobs/**', '/topic/**'] }] }), word: 'unknown-destination' },
    'refused subscription': { config: other({ acl: [{ ...everybody[0], allow: ['send'] }] }), word: 'access-denied' },
    'too large a message': { config: other({ limits: { ...good.limits, frame_body_bytes: '10B' } }), word: 'frame-too-large' },
  };
  for (const [name, { config, word }] of Object.entries(faults)) {
    test(`${name}: reported, and works when corrected`, async (t) => {
      const b = await broker(t, [], config);
      const program = await run(t, b);
      assert.ok((await program.complaints.next()).startsWith(`${word}: `), program.errors);
      b.configure(good);
      await b.restart();
      assert.equal(await program.lines.next(soon), 'order two horseshoes');
    });
  }

  test('an expired token: reported, and tried again', async (t) => {
    const b = await broker(t);
    const program = await run(t, b, { TOKEN: await token('ada', { exp: inSeconds(-60) }) });
    const says = 'authentication-failed: The credentials were not accepted: the token has expired.';
    assert.equal(await program.complaints.next(), says);
    assert.equal(await program.complaints.next(soon), says);
  });
});
