// @stomp/stompjs in Chromium: a page that connects, subscribes, sends and
// acknowledges.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { startBroker, suiteBroker } from './lib/broker.js';
import { skip, suiteChromium } from './lib/chromium.js';
import { assertLeft, unique } from './lib/stompjs.js';
import { within } from './lib/wait.js';

describe('stompjs in Chromium', { skip, concurrency: 2 }, () => {
  const chromium = suiteChromium();
  const { open } = chromium;
  const suite = suiteBroker(() => ({ 'listen-websocket-origins': chromium.origin }));

  async function connected(t, options) {
    const page = await open(t);
    page.opened = await page.call('connectPage', suite.url, options ?? {});
    assert.equal(page.opened.failed, undefined);
    return page;
  }

  test('connects, subscribes, sends and disconnects', async (t) => {
    const page = await connected(t);
    assert.equal(page.opened.version, '1.2');
    assert.equal(page.opened['heart-beat'], '10000,10000');
    assert.equal(await page.evaluate('client.webSocket.protocol'), 'v12.stomp');
    const topic = unique('/topic/browser.');
    await page.call('subscribePage', topic);
    await page.call('send', topic, 'hello, aä€😀\0!', { kind: 'a:b\\x\nd' });
    const m = await page.call('receiveText', topic);
    assert.equal(m.body, 'hello, aä€😀\0!');
    assert.equal(m.headers.kind, 'a:b\\x\nd');
    await page.call('deactivate');
    assertLeft(await page.events());
  });

  test('acknowledges', async (t) => {
    const page = await connected(t);
    const queue = unique('/queue/browser.');
    await page.call('subscribePage', queue, { ack: 'client-individual' });
    await page.call('send', queue, 'one');
    assert.equal((await page.call('answer', queue, 'nack')).headers.redelivered, undefined);
    const again = await page.call('answer', queue, 'ack');
    assert.equal(again.body, 'one');
    assert.equal(again.headers.redelivered, 'true');
    assert.equal(again.headers['delivery-count'], '2');
  });

  test('binary bodies', async (t) => {
    const page = await connected(t);
    const topic = unique('/topic/browser.');
    await page.call('subscribePage', topic);
    for (const bytes of [Array.from({ length: 256 }, (_, i) => i), [0xff, 0xfe, 0], [0]]) {
      await page.call('sendBytes', topic, bytes, { 'content-type': 'application/octet-stream' });
      const m = await page.call('receiveBytes', topic);
      assert.deepEqual(m.bytes, bytes);
      assert.equal(m.headers['content-type'], 'application/octet-stream');
    }
    assert.ok(await page.call('roundTripBytes', topic, 1 << 20));
  });

  for (const splitLargeFrames of [false, true]) {
    test(`large frames, ${splitLargeFrames ? '' : 'not '}split`, async (t) => {
      const page = await connected(t, { splitLargeFrames });
      const topic = unique('/topic/browser.');
      await page.call('subscribePage', topic);
      assert.ok(await page.call('roundTrip', topic, 'x', 1 << 20));
      assert.ok(await page.call('roundTrip', topic, 'é\0ab', 1 << 20));
      assert.ok(await page.call('roundTrip', topic, 'x', 10));
    });
  }

  test('with compression', async (t) => {
    const own = await startBroker(t, { 'listen-websocket-origins': chromium.origin, 'listen-websocket-compression': 'true' });
    const page = await open(t);
    await page.call('connectPage', own.url, {});
    assert.match(await page.evaluate('client.webSocket.extensions'), /permessage-deflate/);
    await page.call('subscribePage', '/topic/x');
    assert.ok(await page.call('roundTrip', '/topic/x', 'é\0ab', 1 << 20));
    assert.ok(await page.call('roundTripBytes', '/topic/x', 1 << 20));
    assert.ok(await page.call('roundTrip', '/topic/x', 'x', 10));
    await page.call('deactivate');
  });

  test('heart-beats of 2000,2000 keep the connection open', async (t) => {
    const page = await connected(t, { heartbeatIncoming: 2000, heartbeatOutgoing: 2000 });
    assert.equal(page.opened['heart-beat'], '2000,2000');
    const beats = page.evaluate(`new Promise((resolve) => {
      let n = 0;
      client.webSocket.addEventListener('message', ({ data }) => data === '\\n' && ++n === 4 && resolve(client.connected));
    })`);
    assert.equal(await within(beats, '4 heart-beats'), true);
    assert.deepEqual(await page.events(), [{ connected: true }]);
  });

  test('an ERROR, and the close code', async (t) => {
    const page = await connected(t);
    await page.call('send', '/nowhere/x', 'body');
    await page.waitForFunction('events.length === 3');
    const [, error, end] = await page.events();
    assert.equal(error.error, 'unknown-destination');
    assert.match(error.body, /\/topic\//);
    assert.deepEqual(end, { closed: 1002, clean: true });
  });

  test('a page and a client in Node see each other', async (t) => {
    const { connect } = await import('./lib/stompjs.js');
    const [page, c] = [await connected(t), await connect(t, suite.url)];
    const topic = unique('/topic/browser.');
    await page.call('subscribePage', topic);
    const inbox = await c.subscribe(topic);
    await page.call('send', topic, 'from the page');
    assert.equal((await inbox.next()).body, 'from the page');
    c.send(topic, 'from Node');
    assert.equal((await page.call('receiveText', topic)).body, 'from the page');
    assert.equal((await page.call('receiveText', topic)).body, 'from Node');
  });

  test('reconnects after the broker restarts', async (t) => {
    const own = await startBroker(t, { 'listen-websocket-origins': chromium.origin });
    const page = await open(t);
    await page.call('connectPage', own.url, { reconnectDelay: 50 }, ['/topic/news']);
    await page.call('send', '/topic/news', 'before');
    assert.equal((await page.call('receiveText', '/topic/news')).body, 'before');
    await own.restart();
    await page.waitForFunction('events.filter((e) => e.connected).length === 2');
    await page.call('send', '/topic/news', 'after');
    assert.equal((await page.call('receiveText', '/topic/news')).body, 'after');
    const [, end] = await page.events();
    assert.deepEqual(end, { closed: 1001, clean: true });
    await page.call('deactivate');
  });

  test('a page of another origin is refused unless listed', async (t) => {
    const strict = await startBroker(t);
    const refused = await (await open(t)).call('connectPage', strict.url, {});
    assert.deepEqual(refused, { failed: 1006 });
    assert.match(strict.log, /reason=origin/);
    for (const origins of [chromium.origin, new URL(chromium.origin).host, '*']) {
      const open_ = await startBroker(t, { 'listen-websocket-origins': origins });
      const headers = await (await open(t)).call('connectPage', open_.url, {});
      assert.equal(headers.version, '1.2', origins);
    }
  });
});
