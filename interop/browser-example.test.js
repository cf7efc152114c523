// The page in examples/browser, as `hoofbeat serve` serves it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';

import { startBroker } from './lib/broker.js';
import { buildBroker } from './lib/build.js';
import { skip, suiteChromium } from './lib/chromium.js';
import { configuration } from './lib/rules.js';
import { connect, unique } from './lib/stompjs.js';
import { token } from './lib/tokens.js';
import { within } from './lib/wait.js';

const example = path.resolve(import.meta.dirname, '..', 'examples', 'browser');

/** A broker without a configuration file, as after the installation. */
class Untouched {
  #child;

  static async start(flags = []) {
    const b = new Untouched();
    b.folder = mkdtempSync(path.join(tmpdir(), 'hoofbeat-page-'));
    b.program = process.env.BROKER_BIN ? path.resolve(process.env.BROKER_BIN) : await buildBroker(b.folder);
    b.flags = flags;
    await b.launch('127.0.0.1:0');
    return b;
  }

  async launch(address = new URL(this.page).host) {
    const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HOOFBEAT_')));
    this.#child = spawn(this.program, ['serve', '--listen-websocket-address', address, '--listen-admin-address', '', ...this.flags], {
      cwd: this.folder, env: environment, stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.ended = once(this.#child, 'exit');
    this.page = await within(this.#announced(), 'the broker prints where its page is');
  }

  async #announced() {
    for await (const line of createInterface({ input: this.#child.stdout })) {
      const found = /^Open (http:\S+) in a browser to try it\.$/.exec(line);
      if (found) {
        this.#child.stdout.resume();
        return found[1];
      }
    }
    throw new Error('the broker ended');
  }

  get url() {
    return this.page.replace('http:', 'ws:') + 'ws';
  }

  async stop() {
    this.#child.kill('SIGTERM');
    assert.deepEqual(await within(this.ended, 'the broker ends'), [0, null]);
  }
}

test('the bundled stomp.js is that of the package', () => {
  const bundle = path.join(import.meta.dirname, 'node_modules', '@stomp', 'stompjs', 'bundles', 'stomp.umd.min.js');
  assert.ok(readFileSync(path.join(example, 'vendor', 'stomp.umd.min.js')).equals(readFileSync(bundle)));
  const { version } = JSON.parse(readFileSync(path.join(bundle, '..', '..', 'package.json')));
  assert.ok(readFileSync(path.join(example, 'vendor', 'README.md'), 'utf8').includes(`\`@stomp/stompjs\` ${version}`));
});

describe('the example page', { skip, concurrency: 2 }, () => {
  const chromium = suiteChromium();
  let broker;
  before(async () => {
    broker = await Untouched.start();
  });
  after(async () => {
    await broker?.stop();
    rmSync(broker.folder, { recursive: true, force: true });
  });

  /** Opens the page. The test fails if the page or a message violates its Content-Security-Policy. */
  async function open(t, b = broker, media = {}) {
    const page = await chromium.open(t);
    const complaints = [];
    page.on('console', (m) => /Content Security Policy|Trusted/i.test(m.text()) && complaints.push(m.text()));
    t.after(() => assert.deepEqual(complaints, []));
    await page.emulateMedia(media);
    await page.goto(b.page);
    page.state = (text) => page.waitForFunction((wanted) => document.querySelector('#state').textContent.startsWith(wanted), text);
    page.connect = async () => {
      await page.click('#connect-button');
      await page.state('connected as anonymous');
    };
    page.subscribe = async (destination, ack = 'auto') => {
      await page.fill('#subscribe-destination', destination);
      await page.selectOption('#ack', ack);
      await page.click('text="Subscribe"');
    };
    page.send = async (destination, body) => {
      await page.fill('#send-destination', destination);
      await page.fill('#body', body);
      await page.click('text="Send"');
      await page.waitForFunction((d) => document.querySelector('#sent').textContent.startsWith(`The broker has it: ${d},`), destination);
    };
    return page;
  }

  const bodies = (page, n) => page.waitForFunction((count) => {
    const all = [...document.querySelectorAll('#messages > li > pre')].map((e) => e.textContent);
    return all.length === count && all;
  }, n).then((handle) => handle.jsonValue());

  test('connects, subscribes and sends, with the keyboard only', async (t) => {
    const page = await open(t);
    assert.equal(await page.inputValue('#url'), broker.url);
    assert.equal(await page.evaluate('document.activeElement.id'), 'connect-button');
    await page.keyboard.press('Enter');
    await page.state('connected as anonymous, STOMP 1.2');
    const tab = async (wanted) => {
      for (let i = 0; i < 20; i++) {
        await page.keyboard.press('Tab');
        if (await page.evaluate((selector) => document.activeElement.matches(selector), wanted)) {
          return;
        }
      }
      assert.fail(`Tab does not lead to ${wanted}`);
    };
    await tab('#subscribe-destination');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#subscriptions li');
    await tab('#body');
    await tab('#send > button');
    await page.keyboard.press('Enter');
    assert.deepEqual(await bodies(page, 1), ['Hello from a browser']);
    assert.match(await page.textContent('#messages .from'), /\/topic\/hello$/);
    assert.equal(await page.isVisible('#error'), false);
    await page.click('text="Disconnect"');
    await page.state('not connected');
  });

  test('every field has a label, and a phone is wide enough', async (t) => {
    const page = await open(t, broker, { colorScheme: 'dark' });
    await page.setViewportSize({ width: 360, height: 740 });
    const unlabelled = await page.evaluate(() => [...document.querySelectorAll('input, select, textarea')].filter((e) => e.labels.length !== 1).map((e) => e.id));
    assert.deepEqual(unlabelled, []);
    await page.connect();
    await page.subscribe(`/topic/${'long-name-'.repeat(12)}`);
    await page.subscribe('/topic/phone');
    await page.send('/topic/phone', `${'x'.repeat(500)}\nand a second line`);
    await bodies(page, 1);
    await page.click('summary >> text="Headers"');
    const { wide, small } = await page.evaluate(() => ({
      wide: document.documentElement.scrollWidth - innerWidth,
      small: [...document.querySelectorAll('button, input, select')].filter((e) => e.getBoundingClientRect().height < 40).map((e) => e.textContent),
    }));
    assert.ok(wide <= 0, `${wide} pixels too wide`);
    assert.deepEqual(small, [], 'too small for a finger');
  });

  test('ACK and NACK, with the result', async (t) => {
    const page = await open(t);
    const queue = unique('/queue/page.');
    await page.connect();
    await page.subscribe(queue, 'client-individual');
    await page.send(queue, 'one');
    await bodies(page, 1);
    await page.click('text="Nack"');
    assert.deepEqual(await bodies(page, 2), ['one', 'one']);
    assert.match(await page.textContent('#messages > li:first-child .from'), /delivery 2$/);
    assert.match(await page.textContent('#messages > li:last-child .answers'), /refused; it is delivered again/);
    await page.click('#messages > li:first-child >> text="Ack"');
    await page.waitForSelector('text="acknowledged"');
    await page.click('text="Unsubscribe"');
    assert.equal(await page.textContent('#subscriptions'), '');
    const reader = await connect(t, broker.url);
    const inbox = await reader.subscribe(queue);
    await reader.fence();
    assert.equal(inbox.size, 0, 'the queue is empty');
  });

  test('a message is always shown as text', async (t) => {
    const page = await open(t);
    const topic = unique('/topic/page.');
    await page.connect();
    await page.subscribe(topic);
    const evil = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
    const c = await connect(t, broker.url);
    await page.send(topic, 'first'); // waits until the subscription is in force
    await c.sendWithReceipt(topic, evil, { [evil.replaceAll(':', '')]: evil, 'content-type': 'text/html' });
    assert.deepEqual(await bodies(page, 2), [evil, 'first']);
    await page.click('#messages > li:first-child summary');
    assert.ok((await page.textContent('#messages > li:first-child dl')).includes(evil));
    assert.equal((await page.$$('#messages img, #messages script')).length, 0);
    assert.equal(await page.title(), 'hoofbeat');
  });

  test('an ERROR is shown and ends the connection; then it connects again', async (t) => {
    const page = await open(t);
    await page.connect();
    await page.fill('#send-destination', '/nowhere/x');
    await page.click('text="Send"');
    await page.waitForSelector('#error:not([hidden])');
    assert.match(await page.textContent('#error'), /^unknown-destination: .*\/nowhere\/x.*\/topic\//s);
    await page.state('not connected');
    assert.equal(await page.isDisabled('#send > button'), true);
    await page.connect();
    assert.equal(await page.isVisible('#error'), false);
  });

  for (const kept of [true, false]) {
    test(`a refused subscription is shown, where the connection is ${kept ? 'kept' : 'closed'}`, async (t) => {
      const acl = [{ name: 'open', allow: ['subscribe', 'send'], destinations: ['/topic/open'] }];
      const other = await startBroker(t, { 'listen-websocket-origins': new URL(broker.page).origin },
        configuration({}, kept ? { on_denied_subscribe: 'receipt-error' } : {}, acl));
      const page = await open(t);
      await page.fill('#url', other.url);
      await page.fill('#token', await token('ada'));
      await page.click('#connect-button');
      await page.state('connected as ada');
      await page.subscribe('/topic/open');
      await page.subscribe('/topic/secret');
      await page.waitForSelector('#error:not([hidden])');
      assert.match(await page.textContent('#error'), /^access-denied: .*\/topic\/secret/);
      await page.state(kept ? 'connected as ada' : 'not connected');
      if (!kept) {
        await page.click('[aria-label="Unsubscribe from /topic/secret"]');
        await page.click('#connect-button');
        await page.state('connected as ada');
        assert.equal(await page.isVisible('#error'), false);
      }
      assert.deepEqual(await page.locator('#subscriptions span').allTextContents(), ['/topic/open']);
      await page.send('/topic/open', 'still here');
      await bodies(page, 1);
    });
  }

  test('the wire log, without the token', async (t) => {
    const page = await open(t);
    await page.fill('#token', 'very.secret.token');
    await page.click('text="What goes over the wire"');
    await page.connect();
    await page.waitForFunction(() => document.querySelector('#wire').textContent.includes('CONNECTED\n'));
    const wire = await page.textContent('#wire');
    assert.match(wire, /CONNECT\nAuthorization:…\n/);
    assert.ok(!wire.includes('secret'));
  });

  test('reconnects and resubscribes when the broker is back', async (t) => {
    const own = await Untouched.start();
    t.after(async () => {
      await own.stop();
      rmSync(own.folder, { recursive: true, force: true });
    });
    const page = await open(t, own);
    await page.connect();
    await page.subscribe('/topic/news');
    await page.send('/topic/news', 'before');
    await bodies(page, 1);
    await own.stop();
    await page.state('not connected, trying again');
    assert.match(await page.textContent('#error'), /Is the broker running/);
    await own.launch();
    await page.state('connected');
    await page.send('/topic/news', 'after');
    assert.deepEqual(await bodies(page, 2), ['after', 'before']);
  });
});
