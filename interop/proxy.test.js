// @stomp/stompjs and STOMP over TCP through nginx and HAProxy with the configurations of deploy/: the frames that
// pass, and the client address that the broker sees.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';

import { Versions } from '@stomp/stompjs';

import { atEnd } from './lib/cleanup.js';
import { HAProxy, proxies, startBehind, startBrokerWithTLS, Stream, suiteBehind, clientAddress, until } from './lib/proxy.js';
import { handshakeStatus } from './lib/socket.js';
import { leaving, onlyVersion, unique } from './lib/stompjs.js';

const MiB = 1 << 20;

/** n bytes of all values, with varying content. */
function bytes(n) {
  const b = Buffer.alloc(n);
  for (let i = 0; i < n; i++) {
    b[i] = (i * 31 + (i >> 8)) & 255;
  }
  return b;
}

const digest = (b) => createHash('sha256').update(b).digest('hex');

/** Waits for a line of the broker's log. */
function logged(broker, pattern) {
  return until(`the broker logs ${pattern}`, () => pattern.exec(broker.log)?.[0]);
}

for (const Kind of proxies) {
  describe(`through ${Kind.title}`, { skip: Kind.skip, concurrency: 4 }, () => {
    const perAddress = 4;
    const suite = suiteBehind(Kind, { 'limits-connections-per-ip': perAddress });
    const open = (t, url, options) => suite.proxy.connect(t, url, { from: clientAddress(), ...options });

    for (const [scheme, prefix] of [['ws', ''], ['wss', ''], ['ws', '/broker'], ['wss', '/broker']]) {
      test(`${scheme}://HOST${prefix}/ws: messages, and the subprotocol`, async (t) => {
        const url = suite.proxy.url(scheme, prefix);
        const c = await open(t, url);
        assert.equal(c.opened.headers.version, '1.2');
        assert.equal(c.opened.headers['heart-beat'], '10000,10000');
        assert.equal(c.client.webSocket.protocol, 'v12.stomp');
        const topic = unique('/topic/proxy.');
        const inbox = await c.subscribe(topic);
        await c.sendWithReceipt(topic, 'aä€😀\0!', { kind: 'a:b' });
        const m = await inbox.next();
        assert.equal(m.body, 'aä€😀\0!');
        assert.equal(m.headers.kind, 'a:b');
        const old = await open(t, url, { protocols: ['v10.stomp', 'v11.stomp'], stompVersions: onlyVersion(Versions.V1_1) });
        assert.equal(old.client.webSocket.protocol, 'v11.stomp');
      });
    }

    test('other paths get 404', async () => {
      const { origin } = new URL(suite.proxy.url());
      for (const where of ['/', '/wsx', '/broker', '/broker/wsx', '/broker/broker/ws', '/other/ws']) {
        assert.equal(await handshakeStatus(origin + where), 404, where);
      }
    });

    test('large bodies, text and binary', async (t) => {
      const c = await open(t, suite.proxy.url('wss'));
      const topic = unique('/topic/large.');
      const inbox = await c.subscribe(topic);
      const text = 'größe '.repeat(MiB - 1000);
      await c.sendWithReceipt(topic, text);
      assert.ok((await inbox.next()).body === text, 'the text is the same');
      const binary = bytes(5 * MiB);
      await c.receipt((r) => c.sendBinary(topic, binary, r));
      assert.equal(digest((await inbox.next()).binaryBody), digest(binary));
    });

    test('compression', async (t) => {
      const { proxy } = await startBehind(t, Kind, { 'listen-websocket-compression': true });
      const c = await proxy.connect(t, proxy.url('wss'), { from: clientAddress() });
      assert.match(c.client.webSocket.extensions, /permessage-deflate/);
      const inbox = await c.subscribe('/topic/compressed');
      const body = 'größe '.repeat(20000);
      await c.sendWithReceipt('/topic/compressed', body);
      assert.ok((await inbox.next()).body === body);
    });

    test('a frame beyond the limit: the ERROR and the close code arrive', async (t) => {
      const c = await open(t, suite.proxy.url());
      c.send('/topic/x', 'x'.repeat(16 * MiB + 1));
      assert.equal((await c.errors.next()).headers.message, 'frame-too-large');
      assert.equal((await c.closed.next()).code, 1009);
    });

    test('disconnecting', async (t) => {
      const c = await open(t, suite.proxy.url());
      await c.client.deactivate();
      assert.ok(leaving.includes((await c.closed.next()).code));
    });

    for (const secure of [false, true]) {
      test(`TCP${secure ? ' with TLS' : ''}: binary bodies, and the client's address`, async (t) => {
        const from = clientAddress();
        const c = await Stream.connect(t, suite.proxy, { from, secure });
        await logged(suite.broker, new RegExp(`connection opened.* remote=${from}:${c.socket.localPort} .*`));
        const topic = unique('/topic/tcp.');
        c.send('SUBSCRIBE', { id: '1', destination: topic });
        const body = bytes(3 * MiB);
        c.send('SEND', { destination: topic, 'content-length': body.length }, body);
        assert.equal(digest((await c.next('MESSAGE')).body), digest(body));
        c.send('DISCONNECT', { receipt: 'bye' });
        assert.equal((await c.next('RECEIPT')).headers['receipt-id'], 'bye');
        await c.closed;
      });
    }

    test("WebSocket: the client's address cannot be forged", async (t) => {
      for (const scheme of ['ws', 'wss']) {
        const from = clientAddress();
        const headers = { 'X-Forwarded-For': '203.0.113.9', 'X-Real-IP': '203.0.113.9', Forwarded: 'for=203.0.113.9' };
        await open(t, suite.proxy.url(scheme), { from, headers });
        const line = await logged(suite.broker, new RegExp(`connection opened.* remote=${from}:\\d+ .*`));
        assert.equal(/remote=\S+:0 /.test(line), !Kind.portKnown, line);
      }
      assert.doesNotMatch(suite.broker.log, /203\.0\.113\.9/);
    });

    test('a client with the address of a trusted proxy cannot forge it either', async (t) => {
      await open(t, suite.proxy.url(), { from: '127.0.0.1', headers: { 'X-Forwarded-For': '203.0.113.10, 127.0.0.1' } });
      await logged(suite.broker, /connection opened.* remote=127\.0\.0\.1:\d+ .*/);
      assert.doesNotMatch(suite.broker.log, /203\.0\.113\.10/);
    });

    test('limits per address count clients, not the proxy', async (t) => {
      const [one, other] = [clientAddress(), clientAddress()];
      for (let i = 0; i < perAddress; i++) {
        await (i % 2 ? open(t, suite.proxy.url(), { from: one }) : Stream.connect(t, suite.proxy, { from: one }));
      }
      assert.equal(await handshakeStatus(suite.proxy.url(), { localAddress: one }), 503);
      const refused = await Stream.open(t, suite.proxy, { from: one });
      assert.equal((await refused.next('ERROR')).headers.message, 'too-many-connections');
      await open(t, suite.proxy.url(), { from: other });
      await Stream.connect(t, suite.proxy, { from: other });
    });

    test('origins: the proxy\'s own host and listed ones', async () => {
      const { proxy } = suite;
      const status = (scheme, origin) => handshakeStatus(proxy.url(scheme), { origin, ca: proxy.certificate.ca, localAddress: clientAddress() });
      assert.equal(await status('ws', `http://127.0.0.1:${proxy.ports.ws}`), 101);
      assert.equal(await status('wss', `https://127.0.0.1:${proxy.ports.wss}`), 101);
      assert.equal(await status('wss', 'https://app.example.com'), 101);
      assert.equal(await status('wss', 'https://other.example.com'), 403);
    });

    test("a token in the URL is not in the proxy's log", async (t) => {
      const from = clientAddress();
      const c = await open(t, `${suite.proxy.url()}?access_token=cGFzc3dvcmQ`, { from });
      await c.client.deactivate();
      await until('the request is logged', () => suite.proxy.accessLog().split('\n').find((line) => line.startsWith(from) && line.includes('/ws')));
      assert.doesNotMatch(suite.proxy.accessLog() + suite.proxy.log + suite.broker.log, /cGFzc3dvcmQ/);
    });
  });
}

describe('through HAProxy, which does not decrypt', { skip: HAProxy.skip }, () => {
  test('the broker terminates wss and TLS, and sees the client’s address', async (t) => {
    const broker = await startBrokerWithTLS();
    atEnd(t, () => broker.stop());
    const proxy = await HAProxy.start([broker], { file: 'passthrough.cfg' });
    atEnd(t, () => proxy.stop());
    await proxy.status('b1', 'UP');
    const [one, two] = [clientAddress(), clientAddress()];
    const c = await proxy.connect(t, proxy.url('wss'), { from: one, headers: { 'X-Forwarded-For': '203.0.113.9' } });
    await c.fence();
    await logged(broker, new RegExp(`connection opened.* remote=${one}:[1-9].* transport=wss`));
    await Stream.connect(t, proxy, { from: two, secure: true });
    await logged(broker, new RegExp(`connection opened.* remote=${two}:[1-9].*`));
    assert.doesNotMatch(broker.log, /203\.0\.113\.9/);
  });
});
