// @stomp/stompjs in Chromium under adverse conditions: timers that hardly run, as on background pages, and a
// WebSocket that truncates text at NUL, as React Native's does on some systems.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { startBroker, suiteBroker } from './lib/broker.js';
import { skip, suiteChromium } from './lib/chromium.js';
import { assertLeft, connect, unique } from './lib/stompjs.js';
import { within } from './lib/wait.js';

const beats = { heartbeatIncoming: 2000, heartbeatOutgoing: 2000 };

describe('stompjs in a page in the background', { skip, concurrency: 2 }, () => {
  const chromium = suiteChromium();
  const suite = suiteBroker(() => ({ 'listen-websocket-origins': chromium.origin }));

  /** Opens and connects the page, and stops all its timers until thaw is called. Timers of workers continue. */
  async function inBackground(t, options) {
    const page = await chromium.open(t);
    await page.evaluate(() => {
      let frozen = false;
      const late = new Set();
      for (const name of ['setTimeout', 'setInterval']) {
        const real = globalThis[name];
        globalThis[name] = (action, ms) => real(() => (frozen ? late.add(action) : action()), ms);
      }
      globalThis.freeze = () => (frozen = true);
      globalThis.thaw = () => {
        frozen = false;
        late.forEach((action) => action());
      };
    });
    const opened = await page.call('connectPage', suite.url, { ...beats, ...options }, ['/topic/news']);
    assert.equal(opened['heart-beat'], '2000,2000');
    await page.call('freeze');
    return page;
  }

  /** Waits for an event of the page without a timer. */
  const happened = (page, what) => page.waitForFunction((wanted) => events.some((event) => wanted in event), what, { polling: 'raf' });

  test('is disconnected, sees the reason, and reconnects when its timers run again', async (t) => {
    const page = await inBackground(t, { reconnectDelay: 50 });
    await happened(page, 'closed');
    const [, error, end] = await page.events();
    assert.equal(error.error, 'heart-beat-timeout');
    assert.deepEqual(end, { closed: 1008, clean: true });
    await page.call('thaw');
    await page.waitForFunction('events.filter((e) => e.connected).length === 2');
    const c = await connect(t, suite.url);
    await page.call('fencePage');
    c.send('/topic/news', 'after');
    assert.equal((await page.call('receiveText', '/topic/news')).body, 'after');
    await page.call('deactivate');
  });

  test('sends heart-beats from a worker and stays connected', async (t) => {
    const page = await inBackground(t, { heartbeatStrategy: 'worker' });
    const clock = await connect(t, suite.url, beats);
    await clock.heartBeats.take(4); // more than twice the interval
    assert.deepEqual(await page.events(), [{ connected: true }]);
    await page.call('fencePage');
    await page.call('thaw');
    await page.call('deactivate');
  });
});

describe('stompjs on a WebSocket that truncates text at NUL', { skip, concurrency: 2 }, () => {
  const chromium = suiteChromium();
  const suite = suiteBroker(() => ({ 'listen-websocket-origins': chromium.origin }));
  const options = { forceBinaryWSFrames: true, appendMissingNULLonIncoming: true };

  /** Opens the page with such a WebSocket. */
  async function open(t) {
    const page = await chromium.open(t);
    await page.evaluate(() => {
      const cut = (data) => (typeof data === 'string' ? data.split('\0')[0] : data);
      globalThis.WebSocket = class extends WebSocket {
        send(data) {
          super.send(cut(data));
        }

        set onmessage(action) {
          super.onmessage = (event) => action(new MessageEvent('message', { data: cut(event.data) }));
        }
      };
    });
    return page;
  }

  test('sends binary, adds the NULs, and loses nothing', async (t) => {
    const page = await open(t);
    const opened = await page.call('connectPage', suite.url, { ...options, ...beats });
    assert.equal(opened.version, '1.2');
    const [topic, queue] = [unique('/topic/native.'), unique('/queue/native.')];
    await page.call('subscribePage', topic);
    await page.call('subscribePage', queue, { ack: 'client-individual' });
    const c = await connect(t, suite.url);
    for (let i = 0; i < 100; i++) {
      c.send(topic, `${i} grüße`);
    }
    for (let i = 0; i < 100; i++) {
      assert.equal((await page.call('receiveText', topic)).body, `${i} grüße`);
    }
    await page.call('send', queue, 'one', { kind: 'a:b' });
    assert.equal((await page.call('answer', queue, 'nack')).headers.kind, 'a:b');
    assert.equal((await page.call('answer', queue, 'ack')).headers.redelivered, 'true');
    assert.ok(await page.call('roundTrip', topic, 'é', 1 << 20));
    assert.ok(await page.call('roundTripBytes', topic, 1000));
    await within(page.evaluate(`new Promise((resolve) => {
      let n = 0;
      client.webSocket.addEventListener('message', ({ data }) => data === '\\n' && ++n === 3 && resolve());
    })`), '3 heart-beats');
    await page.call('deactivate');
    assertLeft(await page.events());
  });

  test('an ERROR is complete', async (t) => {
    const page = await open(t);
    await page.call('connectPage', suite.url, options);
    await page.call('send', '/nowhere/x', 'body');
    await page.waitForFunction('events.length === 3');
    const [, error, end] = await page.events();
    assert.equal(error.error, 'unknown-destination');
    assert.deepEqual(end, { closed: 1002, clean: true });
  });

  test('without the options it never connects, and gets an ERROR', async (t) => {
    const own = await startBroker(t, { 'listen-websocket-origins': chromium.origin, 'limits-connect-timeout': '500ms' });
    const page = await open(t);
    assert.deepEqual(await page.call('connectPage', own.url, { appendMissingNULLonIncoming: true }), { failed: 1008 });
    const [error] = await page.events();
    assert.equal(error.error, 'connect-timeout');
  });
});
