// The console with unusual responses of the broker: many items, strange names, slow responses, or none.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { skip, suiteChromium } from './lib/chromium.js';
import { hostile, openConsole } from './lib/console.js';
import { FakeAdmin, message, queue } from './lib/fake-admin.js';
import { Inbox } from './lib/wait.js';

describe('the console with unusual responses', { skip, concurrency: 2 }, () => {
  const chromium = suiteChromium();

  /** The console with its own fake listener, prepared by change. */
  async function open(t, change = () => {}, options = {}) {
    const fake = await FakeAdmin.start();
    change(fake);
    try {
      return { fake, page: await openConsole(t, chromium, fake.url, options) };
    } finally {
      t.after(() => fake.close()); // after the page
    }
  }

  /** Delays the responses for a path until the test releases them. */
  function hold(fake, path) {
    const asked = new Inbox(`a request for ${path}`);
    fake.instead[path] = (given) => new Promise((answer) => asked.put({ given, answer }));
    return asked;
  }

  test('100,000 queues: a page of them, filter, sort, pages', async (t) => {
    const { page } = await open(t, ({ state }) => {
      state.queues = Array.from({ length: 100_000 }, (_, i) => queue(`/queue/tenant.${String(i).padStart(6, '0')}`, { ready: i }));
    }, { place: '#/queues' });
    await page.says('.pager', '1 to 100 of 100,000 queues');
    assert.equal(await page.locator('tbody tr').count(), 100);
    assert.ok(await page.evaluate(() => document.querySelectorAll('*').length) < 5000);
    await page.click('button:text-is("Next")');
    await page.says('.pager', '101 to 200 of 100,000');
    await page.says('tbody', '/queue/tenant.000199');
    assert.equal(await page.locator('tbody tr').count(), 100);
    await page.click('button:text-is("Previous")');
    await page.says('.pager', '1 to 100 of 100,000');
    await page.fill('[name=q]', 'tenant.0777');
    await page.waitForFunction(() => document.querySelector('.pager').textContent === '100 queues');
    await page.click('th button:text-is("Ready")');
    await page.waitForFunction(() => document.querySelector('tbody a').textContent === '/queue/tenant.077799');
    assert.equal(await page.getAttribute('th[aria-sort]', 'aria-sort'), 'descending');
    await page.reload();
    await page.waitForFunction(() => document.querySelector('tbody a')?.textContent === '/queue/tenant.077799');
    assert.equal(await page.inputValue('[name=q]'), 'tenant.0777');
  });

  test('names and bodies with markup, invisible characters, or very long ones', async (t) => {
    const names = [`/queue/${hostile}`, '/queue/\u202Egnp.exe', '/queue/nul\u0000tab\tline\nbell\u0007', '/queue/zero\u200Bwidth\uFEFF', `/queue/${'long.'.repeat(2000)}end`, '/queue/עברית.ދިވެހި', '/queue/constructor', '/queue/__proto__', '/queue/\uD800'];
    const big = 'z'.repeat(1 << 20);
    const { page } = await open(t, ({ state }) => {
      state.me.user = hostile;
      state.queues = names.map((name) => queue(name, { ready: 1, topic: hostile }));
      state.messages.set(names[0], [
        message(1, { destination: hostile, headers: [{ name: hostile, value: hostile }, { name: 'long', value: 'v'.repeat(60_000) }], body: `${hostile}\u202E\u0000`, body_bytes: 120 }),
        message(2, { body: big, body_bytes: big.length }),
        message(3, { body: undefined, base64: Buffer.from([0, 255, 60, 98, 62]).toString('base64'), body_bytes: 5 }),
        message(4, { body: `{"a":"${hostile.replaceAll('"', '\\"')}","__proto__":{"b":1}}`, body_bytes: 100 }),
      ]);
    }, { place: '#/queues', phone: true });
    await page.says('tbody', hostile);
    await page.says('.user', hostile);
    const shown = await page.locator('tbody td.first a').allTextContents();
    for (const text of ['/queue/\\u{202e}gnp.exe', '/queue/nul\\u{0000}tab\\u{0009}line\\u{000a}bell\\u{0007}', '/queue/zero\\u{200b}width\\u{feff}', '/queue/עברית.ދިވެހި', '/queue/constructor', '/queue/__proto__']) {
      assert.ok(shown.includes(text), `${text} in ${shown.map((s) => s.slice(0, 80))}`);
    }
    await page.noOverflow();
    await page.click(`tbody a:has-text("<img")`);
    await page.waitForFunction((text) => document.querySelector('h1')?.textContent === text, names[0]);
    assert.ok((await page.title()).startsWith('/queue/<img'));
    for (const i of [0, 1, 2, 3]) {
      await page.click(`.messages > li >> nth=${i} >> summary`);
      await page.waitForSelector(`.messages > li:nth-child(${i + 1}) .body pre`);
    }
    const bodies = () => page.locator('.messages .body pre').allTextContents();
    await page.waitForFunction(() => document.querySelectorAll('.messages .body pre')[1].textContent.length === 65536);
    const [first, , third, fourth] = await bodies();
    assert.equal(first, `${hostile}\\u{202e}\\u{0000}`);
    assert.match(third, /^000000 {2}00 ff 3c 62 3e +··<b>$/);
    assert.equal(JSON.parse(fourth).a, hostile);
    await page.says('.body .bar', '1.0 MiB, of which this is the beginning');
    await page.click('text=Show all 60,000 characters');
    await page.noOverflow();
    assert.equal(await page.locator('main img, main script, main b:not(.legend b)').count(), 0);
    await page.click('text="Purge …"');
    assert.ok((await page.textContent('dialog .names')).includes(hostile));
    await page.noOverflow();
  });

  test('a broker that restarts meanwhile', async (t) => {
    const { fake, page } = await open(t, undefined, { place: '#/queues', expected: /ERR_/ });
    await page.says('tbody', '/queue/orders');
    await fake.close();
    await page.says('.banner.bad', 'No connection');
    await page.says('.pulse.bad', 'no news');
    await page.says('tbody', '/queue/orders'); // the last known list stays
    await page.click('text="Create …"');
    await page.fill('dialog [name=name]', '/queue/new');
    await page.click('dialog [type=submit]');
    await page.says('dialog .problem', 'does not answer');
    await fake.open();
    await page.click('dialog [type=submit]');
    await page.says('.said', '/queue/new was created');
    await page.waitForSelector('main:not(.stale)');
    assert.equal(await page.locator('.banner').count(), 0);
  });

  test('a drained broker that has ended', async (t) => {
    const { fake, page } = await open(t, ({ state }) => (state.overview.draining = true), { expected: /ERR_/ });
    await page.says('.banner', 'Draining');
    await fake.close();
    await page.says('.banner', 'No connection');
    assert.equal(await page.locator('.banner').count(), 1, 'it drains no more');
  });

  test('a queue’s consumers, next to a queue with the same prefix', async (t) => {
    const { page } = await open(t, ({ state }) => {
      state.subscriptions = ['/queue/orders', '/queue/orders.eu'].map((destination) => ({ connection: `of ${destination}`, id: '1', destination, ack: 'auto', unacked: 0, durable: false }));
    }, { place: '#/queue?name=%2Fqueue%2Forders' });
    await page.says('[aria-label=Consumers] a', 'of /queue/orders');
    assert.deepEqual(await page.locator('[aria-label=Consumers] tbody a').allTextContents(), ['of /queue/orders']);
  });

  test('heart-beats of the client are shown on request, and the end of its connection', async (t) => {
    const { page } = await open(t, ({ state }) => (state.overview.stomp_path = '/stomp'));
    let peer;
    await page.routeWebSocket(/\/stomp$/, (socket) => {
      peer = socket;
      socket.onMessage((text) => text.startsWith('CONNECT') && socket.send('CONNECTED\nversion:1.2\nheart-beat:10000,10000\n\n\0'));
    });
    await page.clock.install(); // stomp.js sends a heart-beat every 10 s
    await page.place('#/client', 'Client');
    await page.reload();
    await page.click('button:text-is("Connect"):not(:disabled)');
    await page.says('#client-state', 'connected');
    const beats = () => page.locator('.frames pre:text-is("heart-beat")').count();
    peer.send('\n');
    await page.clock.runFor(10_000);
    await page.check('text=heart-beats');
    await page.waitForFunction(() => ['← received', '→ sent'].every((way) => [...document.querySelectorAll('.frames li')].some((li) => li.textContent.includes(way) && li.textContent.endsWith('heart-beat'))));
    await page.uncheck('text=heart-beats');
    assert.equal(await beats(), 0);
    assert.doesNotMatch(await page.textContent('.frames'), /P[IO]NG/);
    await peer.close({ code: 1001, reason: 'going-away' });
    await page.says('.problem', 'Ended: the connection was closed (1001, going-away).');
  });

  test('on a phone: the navigation fades at its ends, and states are words', async (t) => {
    const { fake, page } = await open(t, undefined, { place: '#/settings', phone: true });
    await page.waitForSelector('.row.before:not(.after) [aria-current=page]'); // it is the last one
    await page.place('#/', 'Overview');
    await page.waitForSelector('.row.after:not(.before)');
    const size = () => page.evaluate(() => getComputedStyle(document.querySelector('.top .pulse')).fontSize);
    assert.equal(await size(), '0px');
    fake.state.overview.ready = false;
    fake.state.overview.reasons = [{ check: 'storage', message: 'the disk is full' }];
    await page.says('.pulse.warn', 'not ready');
    assert.notEqual(await size(), '0px');
    await page.says('.banner', 'Not ready: storage: the disk is full.');
    await page.noOverflow();
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.waitForSelector('.row:not(.before, .after)');
  });

  test('backs off while there is no response', async (t) => {
    const { fake, page } = await open(t, undefined, { place: '#/', expected: /ERR_|50[0-9]/ });
    await page.clock.install();
    await page.reload();
    await page.waitForSelector('.tile');
    fake.instead.overview = () => fake.refuse(500, 'failed', 'the disk is on fire');
    const tries = async (seconds) => {
      const before = fake.requests.filter((r) => r.includes('overview')).length;
      for (let i = 0; i < seconds; i++) {
        await page.clock.runFor(1000);
        await page.evaluate(() => fetch('console/icon.svg')); // earlier requests have been answered by then, or nearly
      }
      return fake.requests.filter((r) => r.includes('overview')).length - before;
    };
    await tries(4);
    await page.says('.banner.bad', 'the disk is on fire');
    const n = await tries(60);
    assert.ok(n >= 1 && n <= 5, `${n} tries in a minute`);
  });

  test('sends no requests while the page is hidden', async (t) => {
    const { fake, page } = await open(t, undefined, { place: '#/queues' });
    await page.clock.install();
    await page.reload();
    await page.says('tbody', '/queue/orders');
    const hide = (hidden) => page.evaluate((h) => {
      Object.defineProperty(document, 'hidden', { value: h, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
    await page.waitForLoadState('networkidle');
    await hide(true);
    const before = fake.requests.length;
    await page.clock.runFor(60_000);
    await page.evaluate(() => fetch('console/icon.svg'));
    assert.equal(fake.requests.length, before);
    fake.state.queues.push(queue('/queue/late'));
    await hide(false);
    await page.says('tbody', '/queue/late');
  });

  test('a slow response times out, and never appears on another page', async (t) => {
    const { fake, page } = await open(t, undefined, { place: '#/', expected: /ERR_/ });
    await page.waitForSelector('.tile');
    const asked = hold(fake, 'queues');
    await page.place('#/queues', 'Queues');
    await page.says('.loading', 'Asking');
    const first = await asked.next();
    await page.fill('[name=q]', 'second');
    const second = await asked.next();
    assert.equal(second.given.q, 'second');
    second.answer({ queues: [queue('/queue/second')], total: 1 });
    first.answer({ queues: [queue('/queue/first')], total: 1 });
    await page.says('tbody', '/queue/second');
    assert.equal(await page.locator('tbody tr').count(), 1);
  });

  test('a link works while the filter is about to change the address', async (t) => {
    const { page } = await open(t, undefined, { place: '#/queues' });
    await page.says('tbody', '/queue/orders');
    await page.evaluate(() => {
      // The filter's timer fires between the change of the address and its event.
      const setTimer = globalThis.setTimeout;
      let due;
      globalThis.setTimeout = (action) => (due = action);
      const field = document.querySelector('[name=q]');
      field.value = 'orders';
      field.dispatchEvent(new Event('input', { bubbles: true }));
      globalThis.setTimeout = setTimer;
      document.querySelector('tbody a[href="#/queue?name=%2Fqueue%2Forders"]').click();
      due();
    });
    await page.says('h1', '/queue/orders');
    assert.equal(new URL(page.url()).hash, '#/queue?name=%2Fqueue%2Forders');
  });

  test('responses of another server, and of a busy broker', async (t) => {
    const { fake, page } = await open(t, undefined, { place: '#/', expected: /50[0-9]/ });
    await page.waitForSelector('.tile');
    fake.instead.topics = (_, __, response) => response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad gateway</h1>');
    await page.place('#/topics', 'Topics');
    await page.says('.problem', 'is not hoofbeat');
    let busy = 2;
    fake.instead.users = () => (busy-- > 0 ? fake.refuse(503, 'busy', '32 requests of operators are under way') : undefined);
    await page.place('#/users', 'Users');
    await page.says('.empty', 'Nobody is connected'); // it has asked again, without an error
    assert.equal(await page.locator('.problem').count(), 0);
  });

  test('a token expires: back to the login, with the reason', async (t) => {
    const { fake, page } = await open(t, undefined, { place: '#/queue?name=%2Fqueue%2Forders', expected: /401/ });
    await page.waitForSelector('.tile');
    const ended = () => fake.refuse(401, 'unauthenticated', 'the token has expired');
    Object.assign(fake.instead, { overview: ended, queue: ended, me: ended });
    await page.says('.reason', 'the token has expired');
    assert.equal(await page.title(), 'hoofbeat');
    Object.assign(fake.instead, { overview: undefined, queue: undefined, me: undefined });
    await page.login('a.new.one');
    await page.says('h1', '/queue/orders');
  });

  test('rights, then the queue, vanish while shown', async (t) => {
    const { fake, page } = await open(t, undefined, { place: '#/queue?name=%2Fqueue%2Forders', expected: /40[34]/ });
    await page.waitForSelector('.actions .danger');
    fake.state.me = { ...fake.state.me, write: false };
    fake.instead['queue/purge'] = () => fake.refuse(403, 'forbidden', 'this takes the right admin:write');
    await page.click('text="Purge …"');
    await page.click('dialog [type=submit]');
    await page.says('dialog .problem', 'admin:write');
    await page.keyboard.press('Escape');
    await page.says('.badge', 'read-only');
    await page.waitForFunction(() => !document.querySelector('main .actions .danger'));
    fake.state.queues = [];
    await page.says('.problem', 'vanishes by itself');
  });
});
