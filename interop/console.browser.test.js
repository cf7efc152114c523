// The console of the admin listener with a real broker: logging in, connections, queues.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';

import { skip } from './lib/chromium.js';
import { openConsole, operator, queuePage, suiteConsole } from './lib/console.js';
import { unique } from './lib/stompjs.js';
import { token } from './lib/tokens.js';

const vendor = path.resolve(import.meta.dirname, '..', 'admin', 'console', 'files', 'vendor');
const packages = path.join(import.meta.dirname, 'node_modules');

test('the bundled libraries are unchanged', () => {
  const readme = readFileSync(path.join(vendor, 'README.md'), 'utf8');
  for (const [name, file, from] of [['preact', 'preact.mjs', 'dist/preact.mjs'], ['htm', 'htm.mjs', 'dist/htm.mjs'], ['@stomp/stompjs', 'stomp.umd.min.js', 'bundles/stomp.umd.min.js']]) {
    assert.ok(readFileSync(path.join(vendor, file)).equals(readFileSync(path.join(packages, name, from))), file);
    assert.ok(readFileSync(path.join(vendor, `${path.basename(name)}.LICENSE`)).equals(readFileSync(path.join(packages, name, 'LICENSE'))), `licence of ${name}`);
    const { version } = JSON.parse(readFileSync(path.join(packages, name, 'package.json')));
    assert.ok(readme.includes(`\`${name}\`, \`${from}\` | ${version} |`), `version of ${name}`);
  }
});

/** Sends messages and receives them until a condition holds. */
async function sendUntil(seen, c, destination, inbox) {
  let done = false;
  seen.then(() => (done = true), () => (done = true));
  while (!done) {
    await c.sendWithReceipt(destination, 'x');
    await inbox.next();
  }
  await seen;
}

describe('the console', { skip, concurrency: 3 }, () => {
  const suite = suiteConsole();
  const { open, client, filled } = suite;

  test('overview: numbers and rates', async (t) => {
    const page = await open(t);
    await page.waitForFunction(() => document.querySelectorAll('.tile').length === 8);
    assert.match(await page.textContent('.pulse'), /^ready$/);
    const topic = unique('/topic/console.');
    const c = await client(t);
    const inbox = await c.subscribe(topic);
    await sendUntil(page.waitForFunction(() => /in [1-9]/.test(document.querySelector('.chart .legend').textContent)), c, topic, inbox);
    await page.waitForSelector('.plot path.line0[d*=L]');
  });

  test('rates of a topic and of a queue', async (t) => {
    const c = await client(t);
    const name = unique('console.');
    const rows = (page, place, heading) => page.place(place, heading).then(() => page.fill('[name=q]', name));
    const shown = (page, ...columns) => page.waitForFunction(([name, columns]) => {
      const row = [...document.querySelectorAll('tbody tr')].find((tr) => tr.textContent.includes(name));
      return row && columns.every((label) => /^[1-9][0-9,]*\/s$|^0?\.?[0-9.]*[1-9]\/s$/.test(row.querySelector(`[data-label=${label}]`)?.textContent.trim()));
    }, [name, columns]);
    const page = await open(t);
    const topic = await c.subscribe(`/topic/${name}`);
    await rows(page, '#/topics', 'Topics');
    await sendUntil(shown(page, 'In', 'Out'), c, `/topic/${name}`, topic);
    const queue = await c.subscribe(`/queue/${name}`);
    await rows(page, '#/queues', 'Queues');
    await sendUntil(shown(page, 'In', 'Delivered', 'Acked'), c, `/queue/${name}`, queue);
    await page.place(queuePage(`/queue/${name}`), `/queue/${name}`);
    await sendUntil(page.waitForFunction(() => /in [0-9.,]*[1-9].*delivered [0-9.,]*[1-9].*acked [0-9.,]*[1-9]/.test(document.querySelector('.charts .legend')?.textContent)), c, `/queue/${name}`, queue);
  });

  test('logs in by token, shows a refusal, and logs out', async (t) => {
    const page = await openConsole(t, suite.chromium, suite.broker.operators, { place: '#/queues', expected: /401/ });
    await page.fill('[name=token]', 'a.b.c');
    await page.click('button:text-is("Log in")');
    await page.says('.problem', 'not accepted');
    assert.equal(await page.evaluate(() => document.activeElement.name), 'token');
    await page.login(await operator());
    await page.says('h1', 'Queues'); // the target of the link
    assert.equal(await page.textContent('.user'), 'olga');
    assert.equal(await page.evaluate('sessionStorage.length + localStorage.length + document.cookie.length'), 0);
    await page.reload();
    await page.waitForSelector('[name=token]');
    await page.check('text=Keep for this tab');
    await page.login(await operator());
    await page.reload();
    await page.waitForSelector('header.top');
    await page.click('text="Log out"');
    await page.says('.reason', 'logged out');
    assert.equal(await page.evaluate('sessionStorage.length'), 0);
  });

  test('logs in by name and passcode, read-only', async (t) => {
    const queue = await filled(t, ['one']);
    const page = await openConsole(t, suite.chromium, suite.broker.operators, { expected: /401/ });
    await page.check('text=Name and passcode');
    await page.fill('[name=name]', 'paul');
    await page.fill('[name=passcode]', 'correct horse');
    await page.click('button:text-is("Log in")');
    await page.says('.badge', 'read-only');
    await page.place(queuePage(queue), queue);
    await page.says('.glance', 'one');
    assert.deepEqual(await page.locator('main .actions button').allTextContents(), ['Refresh']);
    await page.place('#/settings', 'Settings');
    await page.says('#configuration', 'Configuration');
    await page.says('p', 'The level is');
    assert.equal(await page.locator('main button.danger').count(), 0);
  });

  test('shows the missing right', async (t) => {
    const page = await open(t, { expected: /401|403/ }, token('nobody'));
    await page.place('#/queues', 'Queues');
    await page.says('.problem', 'admin:read');
  });

  test('after a revocation: back to the login, and then to the page', async (t) => {
    const user = unique('user-');
    const page = await openConsole(t, suite.chromium, suite.broker.operators, { place: '#/topics', expected: /401/ });
    await page.login(await token(user, { roles: ['operator'] }));
    const revoked = await fetch(new URL('api/v1/revocations/add', suite.broker.operators), {
      method: 'POST', headers: { authorization: `Bearer ${await operator()}`, 'content-type': 'application/json' }, body: JSON.stringify({ kind: 'user', value: user }),
    });
    assert.equal(revoked.status, 200);
    await page.says('.reason', 'not accepted');
    await page.login(await operator());
    await page.says('h1', 'Topics');
  });

  test('connections: filter, one with its subscriptions, close', async (t) => {
    const user = unique('user-');
    const c = await client(t, user, { 'client-id': 'desk' });
    await c.subscribe('/topic/console.prices');
    const page = await open(t, { place: '#/connections' });
    await page.filter(user);
    await page.says('.pager', '1 connection');
    await page.click('tbody a');
    await page.says('td', '/topic/console.prices');
    await page.says('dd', 'desk');
    await page.click('text="Close …"');
    assert.equal(await page.isDisabled('dialog [type=submit]'), true);
    await page.fill('dialog [name=reason]', 'maintenance at noon');
    await page.click('dialog [type=submit]');
    const error = await c.errors.next();
    assert.equal(error.headers.message, 'closed-by-operator');
    assert.match(error.body, /maintenance at noon/);
    await page.says('.said', 'closed');
  });

  test('a queue: browse, move, purge, delete', async (t) => {
    const queue = await filled(t, ['{"a":[1,2]}', 'two'], { 'x-note': 'café' });
    const other = unique('/queue/console.');
    // An empty queue without consumers vanishes.
    const page = await open(t, { place: '#/queues' });
    await page.filter(queue);
    await page.click(`tbody a >> text="${queue}"`);
    await page.tileSays('Ready', '2');
    await page.click('.messages summary >> nth=0');
    assert.equal(await page.textContent('.messages .body pre'), '{\n  "a": [\n    1,\n    2\n  ]\n}');
    await page.click('.body button:text-is("hex")');
    assert.match(await page.textContent('.messages .body pre'), /^000000 {2}7b 22 61 22/);
    await page.says('.messages dd', 'café');
    await page.click('text="Move …"');
    await page.fill('dialog [name=to]', other);
    await page.fill('dialog [name=limit]', '1');
    await page.click('dialog [type=submit]');
    await page.says('.said', `1 message moved to ${other}`);
    await page.tileSays('Ready', '1');
    await page.click('text="Purge …"');
    assert.ok((await page.textContent('dialog')).includes(queue));
    await page.click('dialog [type=submit]');
    await page.says('.said', '1 message dropped');
    await page.place(queuePage(other), other);
    await page.click('text="Delete …"');
    await page.click('dialog .cancel');
    await page.click('text="Delete …"');
    await page.click('dialog [type=submit]');
    await page.says('h1', 'Queues');
    await page.says('.said', `${other} was deleted with 1 message`);
  });

  test('a queue: create; and one that does not exist', async (t) => {
    const queue = unique('/queue/console.');
    const page = await open(t, { place: '#/queues', expected: /40[014]/ });
    await page.click('text="Create …"');
    await page.fill('dialog [name=name]', '/nowhere/x');
    await page.click('dialog [type=submit]');
    await page.says('dialog .problem', '/nowhere/x'); // the dialog stays
    await page.fill('dialog [name=name]', queue);
    await page.click('dialog [type=submit]');
    await page.says('h1', queue);
    await page.place(queuePage('/queue/console.none'), '/queue/console.none');
    await page.says('.problem', 'no such queue');
  });

  test('purges with the keyboard alone', async (t) => {
    const queue = await filled(t, ['x']);
    const page = await open(t);
    await page.place('#/queues', 'Queues');
    await page.filter(queue);
    await page.says('.pager', '1 queue');
    await page.tab('tbody a');
    await page.keyboard.press('Enter');
    await page.says('h1', queue);
    assert.equal(await page.focused(), queue, 'the heading has the focus');
    await page.waitForSelector('.actions .danger:not(:disabled)');
    await page.tab('.actions .danger');
    assert.equal(await page.focused(), 'Purge …');
    await page.keyboard.press('Enter');
    assert.equal(await page.focused(), 'Cancel', 'Enter alone destroys nothing');
    await page.keyboard.press('Escape');
    assert.equal(await page.focused(), 'Purge …', 'the focus is back');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    assert.equal(await page.focused(), 'Purge');
    await page.keyboard.press('Enter');
    await page.says('.said', '1 message dropped');
  });
});
