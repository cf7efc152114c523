// The console of the admin listener with a real broker: the other pages, their common parts, and the end of the
// broker.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { startBroker } from './lib/broker.js';
import { skip, suiteChromium } from './lib/chromium.js';
import { flags, hostile, openConsole, queuePage, suiteConsole } from './lib/console.js';
import { unique } from './lib/stompjs.js';
import { token } from './lib/tokens.js';

describe('the console, other pages', { skip, concurrency: 3 }, () => {
  const suite = suiteConsole();
  const { open, client, filled } = suite;

  test('topics', async (t) => {
    const c = await client(t);
    const topic = unique('/topic/console.');
    await c.subscribe(`${topic}.**`);
    const page = await open(t, { place: '#/topics' });
    await page.fill('[name=q]', topic);
    await page.says('tbody td', `${topic}.**`);
    await page.says('tbody .badge', 'pattern');
  });

  test('subscriptions: of a topic, and of a user’s own', async (t) => {
    const user = `${unique('user/')}ü`; // a slash is %2F in the topic's name
    const c = await client(t, user);
    const topic = unique('/topic/console.');
    const own = unique('/user/queue/console.');
    await c.subscribe(topic);
    await c.subscribe(own);
    const other = await client(t);
    await other.subscribe(own);
    const page = await open(t, { place: '#/topics' });
    for (const wanted of [topic, own]) {
      await page.place('#/topics', 'Topics');
      const last = wanted.split('/').at(-1);
      await page.filter(last);
      await page.click(`[aria-label^="1 subscriber of"][aria-label$="${last}"]${wanted === own ? '[aria-label*="%2F"]' : ''}`);
      await page.says('h1', 'Subscriptions');
      await page.says('.pager', '1 subscription');
      assert.equal(await page.textContent('td[data-label=Destination]'), wanted);
      assert.equal(await page.textContent('td[data-label=User]'), user);
    }
    await page.click('text="×"');
    await page.says('.pager', '2 subscriptions');
    await page.click('tbody a');
    await page.says('dd', user);
  });

  test('users: online, revoke, and undo', async (t) => {
    const user = unique('user-');
    const c = await client(t, user);
    const page = await open(t, { place: '#/users' });
    await page.click(`[aria-label="Revoke ${user}"]`);
    assert.ok((await page.textContent('dialog')).includes(user));
    await page.click('dialog [type=submit]');
    await c.closed.next();
    await page.says('.said', `The user ${user} is revoked`);
    await page.click(`[aria-label="Remove the revocation of ${user}"]`);
    await page.click('dialog [type=submit]');
    await page.says('.said', `The user ${user} is accepted again`);
    await client(t, user);
  });

  test('the client: connect, subscribe, send, ack, nack, frames', async (t) => {
    const queue = unique('/queue/console.');
    const page = await open(t, { place: '#/client' });
    await page.fill('[name=client-token]', await token('ada'));
    await page.click('button:text-is("Connect")');
    await page.says('#client-state', 'connected');
    await page.says('.forms', 'As ada');
    await page.fill('[name=subscribe-destination]', queue);
    await page.selectOption('[name=ack]', 'client-individual');
    await page.click('button:text-is("Subscribe")');
    await page.fill('[name=send-destination]', queue);
    await page.fill('[name=body]', '{"n":1}');
    await page.click('summary:text-is("Headers") >> nth=1');
    await page.fill('[name=send-headers]', 'x-a: 1\nx-b:two');
    await page.click('button:text-is("Send")');
    await page.says('#sent', 'The broker has it');
    await page.click('button:text-is("Nack")');
    await page.says('.from', 'delivery 2');
    await page.click('button:text-is("Ack"):not(:disabled)');
    await page.says('.answers', 'acknowledged');
    const frames = await page.textContent('.frames');
    assert.match(frames, /x-b:two/);
    assert.match(frames, /Authorization:…/);
    await page.place('#/queues', 'Queues');
    await page.place('#/client', 'Client');
    await page.says('#client-state', 'connected'); // the connection stayed open
    await page.fill('[name=send-destination]', '/nowhere/x');
    await page.click('button:text-is("Send")');
    await page.says('.problem', 'unknown-destination');
    await page.says('#client-state', 'not connected');
  });

  test('access: explains a decision', async (t) => {
    const page = await open(t, { place: '#/access' });
    await page.fill('[name=token]', await token('ada', { roles: ['x'] }));
    await page.fill('[name=destination]', '/topic/secret.plans');
    await page.click('text="Explain"');
    await page.says('.verdict', 'Denied');
    await page.says('.explanation', 'secret');
    await page.selectOption('[name=action]', 'send');
    await page.click('text="Explain"');
    await page.says('.verdict', 'Allowed');
    await page.fill('[name=token]', 'a.b.c');
    await page.click('text="Explain"');
    await page.says('.verdict', 'Not accepted');
    await page.check('text=A user');
    await page.fill('[name=user]', 'bob');
    await page.click('text="Explain"');
    await page.says('.verdict', 'Allowed');
  });

  test('settings: configuration, log level', async (t) => {
    const page = await open(t, { place: '#/settings' });
    await page.fill('[name=key]', 'jwt.secret');
    await page.waitForFunction(() => [...document.querySelectorAll('tbody code')].map((e) => e.textContent).includes('auth.jwt.secret'));
    const row = page.locator('tr', { hasText: 'auth.jwt.secret' }).first();
    assert.match(await row.textContent(), /\*\*\*|set/i);
    await page.click('button:text-is("warn")');
    await page.waitForSelector('[aria-pressed=true]:text-is("warn")');
    await page.click('button:text-is("debug")');
    await page.waitForSelector('[aria-pressed=true]:text-is("debug")');
  });

  test('the pages’ headers', async () => {
    for (const [at, kind] of [['', 'text/html'], ['console/js/main.js', 'text/javascript'], ['console/vendor/preact.mjs', 'text/javascript'], ['console/style.css', 'text/css'], ['console/icon.svg', 'image/svg+xml']]) {
      const answer = await fetch(new URL(at, suite.broker.operators));
      assert.ok(answer.headers.get('content-type').startsWith(kind), at);
      assert.match(answer.headers.get('content-security-policy'), /^default-src 'none'; script-src 'self'; style-src 'self'; .*require-trusted-types-for 'script'; trusted-types 'none'$/);
      const again = await fetch(new URL(at, suite.broker.operators), { headers: { 'if-none-match': answer.headers.get('etag') } });
      assert.equal(again.status, 304, at);
    }
    for (const at of ['console/', 'console/nothing.js', 'console/vendor/README.md', 'console/../policy.txt', 'console/files/index.html']) {
      assert.equal((await fetch(new URL(at, suite.broker.operators))).status, 404, at);
    }
  });

  test('clients’ text is shown as text', async (t) => {
    const queue = unique('/queue/console.');
    const user = `${unique('u-')}${hostile}\u202Etxt`;
    const c = await client(t, user, { 'client-id': hostile });
    await c.sendWithReceipt(queue, hostile, { [`x-${hostile.replaceAll(':', '')}`]: hostile, 'content-type': 'text/html' });
    await c.subscribe(`${queue.replace('queue', 'topic')}${hostile.replaceAll(/[ .]/g, '')}`);
    const page = await open(t);
    await page.place(queuePage(queue), queue);
    await page.click('.messages summary');
    await page.waitForFunction((text) => document.querySelector('.body pre')?.textContent === text, hostile);
    await page.says('.messages dd', hostile);
    await page.place('#/connections', 'Connections');
    await page.says('td', hostile);
    await page.says('td .unseen', '\\u{202e}');
    await page.filter(user.slice(0, 12));
    await page.click('tbody a');
    await page.says('dd', hostile);
    await page.place('#/users', 'Users');
    await page.says('td', hostile);
    await page.place('#/topics', 'Topics');
    await page.says('td', 'onerror');
    assert.equal(await page.locator('main img, main script').count(), 0);
  });

  test('every page fits a phone, labels each field, and has a dark mode', async (t) => {
    const queue = await filled(t, ['x'.repeat(3000)], { 'x-long': 'y'.repeat(3000) });
    const c = await client(t, `${'long-user-name-'.repeat(8)}end`);
    await c.subscribe(`/topic/${'long-name-'.repeat(20)}end`);
    const page = await open(t, { phone: true, media: { colorScheme: 'dark' } });
    const places = ['Overview', 'Connections', 'Queues', 'Topics', 'Subscriptions', 'Users', 'Client', 'Access', 'Settings'];
    for (const name of places) {
      await page.place(name === 'Overview' ? '#/' : `#/${name.toLowerCase()}`, name);
      await page.waitForFunction(() => !document.querySelector('.loading'));
      await page.noOverflow();
      const faults = await page.evaluate(() => [...document.querySelectorAll('input, select, textarea')].filter((e) => e.labels.length !== 1).map((e) => e.outerHTML));
      assert.deepEqual(faults, [], name);
    }
    await page.place(queuePage(queue), queue);
    await page.click('.messages summary');
    await page.waitForSelector('.messages .body pre');
    await page.noOverflow();
  });
});

describe('the console without a token', { skip }, () => {
  const chromium = suiteChromium();

  test('reports that the broker is gone, and recovers; drains', async (t) => {
    const own = await startBroker(t, flags, { auth: { anonymous: true }, listen: { admin: { loopback_without_token: true } } });
    const page = await openConsole(t, chromium, own.operators, { place: '#/queues', expected: /ERR_CONNECTION|WebSocket/ });
    await page.says('.user', 'this machine');
    await page.says('.empty', 'There are no queues');
    await own.stop();
    await page.says('.banner.bad', 'What is shown is of');
    await page.waitForSelector('main.stale');
    await own.launch();
    await page.click('text="Try now"');
    await page.waitForSelector('main:not(.stale)');
    await page.says('.said', 'restarted');
    await page.place('#/settings', 'Settings');
    await page.click('text="Drain …"');
    await page.fill('dialog [name=typed]', 'drai');
    assert.equal(await page.isDisabled('dialog [type=submit]'), true);
    await page.fill('dialog [name=typed]', 'drain');
    await page.click('dialog [type=submit]');
    await page.says('.banner', 'No connection');
  });
});
