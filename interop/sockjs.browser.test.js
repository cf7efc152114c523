// sockjs-client 1.6 with @stomp/stompjs in Chromium, with WebSocket and
// without.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { startBroker, suiteBroker } from './lib/broker.js';
import { skip, suiteChromium } from './lib/chromium.js';
import { configuration } from './lib/rules.js';
import { connect, unique } from './lib/stompjs.js';
import { token } from './lib/tokens.js';

const http = (url) => url.replace(/^ws/, 'http');

describe('sockjs-client in Chromium', { skip, concurrency: 3 }, () => {
  const chromium = suiteChromium();
  const allow = () => ({ 'listen-websocket-origins': chromium.origin });
  const suite = suiteBroker(allow);

  /** Opens the page with SockJS, and connects it. */
  async function connected(t, url, transports, options, destinations) {
    const page = await chromium.open(t, '/sockjs.html');
    page.opened = await page.call('connectSockJS', http(url), transports, options ?? {}, destinations ?? []);
    return page;
  }

  test('prefers WebSocket', async (t) => {
    const page = await connected(t, suite.url);
    assert.equal(page.opened.version, '1.2');
    assert.equal(await page.call('sockJSTransport'), 'websocket');
    await page.call('fencePage');
  });

  for (const transport of ['websocket', 'xhr-streaming', 'xhr-polling']) {
    test(`${transport}: sends, receives, acknowledges and disconnects`, async (t) => {
      const page = await connected(t, suite.url, [transport]);
      assert.equal(await page.call('sockJSTransport'), transport);
      const topic = unique('/topic/sockjs.');
      await page.call('subscribePage', topic);
      await page.call('send', topic, 'hello, aä€😀\0\u2028!', { kind: 'a:b\\x\nd' });
      const m = await page.call('receiveText', topic);
      assert.equal(m.body, 'hello, aä€😀\0\u2028!');
      assert.equal(m.headers.kind, 'a:b\\x\nd');
      assert.ok(await page.call('roundTrip', topic, 'é\0ab', 1 << 20));
      const queue = unique('/queue/sockjs.');
      await page.call('subscribePage', queue, { ack: 'client-individual' });
      await page.call('send', queue, 'one');
      await page.call('answer', queue, 'nack');
      assert.equal((await page.call('answer', queue, 'ack')).headers['delivery-count'], '2');
      await page.call('deactivate');
      assert.deepEqual(await page.events(), [{ connected: true }, { closed: 1000, clean: true }]);
    });

    test(`${transport}: the application sees an ERROR and the close code`, async (t) => {
      const page = await connected(t, suite.url, [transport]);
      await page.call('send', '/nowhere/x', 'body');
      await page.waitForFunction('events.length === 3');
      const [, error, end] = await page.events();
      assert.equal(error.error, 'unknown-destination');
      assert.match(error.body, /\/topic\//);
      assert.deepEqual(end, { closed: 1002, clean: true });
    });

    test(`${transport}: reconnects after a restart and after a crash of the broker`, async (t) => {
      const own = await startBroker(t, allow());
      const page = await connected(t, own.url, [transport], { reconnectDelay: 50 }, ['/topic/news']);
      for (const [i, end] of ['restart', 'crash'].entries()) {
        await page.call('sendWithReceipt', '/topic/news', `before ${end}`);
        assert.equal((await page.call('receiveText', '/topic/news')).body, `before ${end}`);
        await own[end]();
        await page.waitForFunction(`events.filter((e) => e.connected).length === ${i + 2}`);
      }
      await page.call('fencePage');
      const [, end] = await page.events();
      assert.equal(end.closed, 1001);
    });

    test(`${transport}: a token in a cookie, and in the query`, async (t) => {
      const own = await startBroker(t, allow(), configuration({ cookie: 'session' }));
      const page = await chromium.open(t, '/sockjs.html');
      await page.evaluate((value) => (document.cookie = `session=${value}; SameSite=Strict`), await token('bob'));
      assert.equal((await page.call('connectSockJS', http(own.url), [transport], {}))['user-name'], 'bob');
      const url = `${http(own.url)}?access_token=${await token('ada')}`;
      assert.equal((await connected(t, url, [transport]))?.opened['user-name'], 'ada');
    });

    test(`${transport}: a page of another origin is refused`, async (t) => {
      const strict = await startBroker(t);
      const page = await connected(t, strict.url, [transport]);
      assert.equal(page.opened.failed, 1002); // it cannot read /info
      assert.match(strict.log, /reason=origin/);
    });
  }

  test('falls back if WebSocket is blocked', async (t) => {
    const page = await chromium.open(t, '/sockjs.html');
    await page.routeWebSocket(/./, (ws) => ws.close());
    await page.reload();
    assert.equal((await page.call('connectSockJS', http(suite.url), undefined, {})).failed, undefined);
    assert.equal(await page.call('sockJSTransport'), 'xhr-streaming');
    const topic = unique('/topic/sockjs.');
    await page.call('subscribePage', topic);
    await (await connect(t, suite.url)).sendWithReceipt(topic, 'from Node');
    assert.equal((await page.call('receiveText', topic)).body, 'from Node');
  });

  test('falls back to polling if streams are buffered, too', async (t) => {
    const page = await chromium.open(t, '/sockjs.html');
    await page.route(/\/xhr_streaming/, (route) => route.abort());
    await page.routeWebSocket(/./, (ws) => ws.close());
    await page.reload();
    // The broker's transports only: another one of sockjs-client does not notice that it is blocked.
    assert.equal((await page.call('connectSockJS', http(suite.url), ['websocket', 'xhr-streaming', 'xhr-polling'], {})).failed, undefined);
    assert.equal(await page.call('sockJSTransport'), 'xhr-polling');
    await page.call('fencePage');
  });
});
