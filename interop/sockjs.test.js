// sockjs-client 1.6 with @stomp/stompjs in Node, over each transport that the broker supports. Heart-beats are in
// sockjs.heartbeats.test.js.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { startBroker, suiteBroker } from './lib/broker.js';
import { configuration } from './lib/rules.js';
import { connectSockJS, http, sockJS, transports } from './lib/sockjs.js';
import { connect, Connection, endsWithError, unique } from './lib/stompjs.js';
import { token } from './lib/tokens.js';
import { Inbox } from './lib/wait.js';

for (const transport of transports) {
  describe(`sockjs-client in Node by ${transport}`, { concurrency: 4 }, () => {
    const suite = suiteBroker();

    test('sends and receives', async (t) => {
      const c = await connectSockJS(t, suite.url, transport);
      assert.equal(c.opened.headers.version, '1.2');
      const topic = unique('/topic/sockjs.');
      const inbox = await c.subscribe(topic);
      for (const body of ['', 'hello', 'aä€😀\0!', '"\\\n\r\t\u0001\u2028\ufffd', 'é\0ab'.repeat(1 << 18)]) {
        c.send(topic, body, { kind: 'a:b\\x\nd' });
        const m = await inbox.next();
        assert.ok(m.body === body, `${body.slice(0, 20)} came as ${m.body.slice(0, 20)}`);
        assert.equal(m.headers.kind, 'a:b\\x\nd');
      }
    });

    test('many messages, in order', async (t) => {
      const c = await connectSockJS(t, suite.url, transport);
      const topic = unique('/topic/sockjs.');
      const inbox = await c.subscribe(topic);
      const n = 2000;
      for (let i = 0; i < n; i++) {
        c.send(topic, `${i} ${'x'.repeat(200)}`);
      }
      for (let i = 0; i < n; i++) {
        assert.equal((await inbox.next()).body.split(' ')[0], String(i));
      }
    });

    test('a character split over two messages', async (t) => {
      const c = await connectSockJS(t, suite.url, transport, { splitLargeFrames: true, maxWebSocketChunkSize: 7 });
      const topic = unique('/topic/sockjs.');
      const inbox = await c.subscribe(topic);
      for (let shift = 0; shift < 7; shift++) {
        const body = `${'x'.repeat(shift)}${'😀'.repeat(20)}`;
        c.send(topic, body);
        assert.equal((await inbox.next()).body, body);
      }
    });

    test('acknowledges', async (t) => {
      const c = await connectSockJS(t, suite.url, transport);
      const queue = unique('/queue/sockjs.');
      const inbox = await c.subscribe(queue, { ack: 'client-individual' });
      c.send(queue, 'one');
      (await inbox.next()).nack();
      const again = await inbox.next();
      assert.equal(again.headers['delivery-count'], '2');
      await c.receipt((r) => again.ack(r));
    });

    test('an ERROR before the end', async (t) => {
      const c = await connectSockJS(t, suite.url, transport);
      c.send('/nowhere/x', 'body');
      const error = await endsWithError(c, 'unknown-destination', 1002);
      assert.match(error.body, /\/topic\//);
    });

    test('binary bodies are refused in both directions', async (t) => {
      const [c, plain] = [await connectSockJS(t, suite.url, transport), await connect(t, suite.url)];
      const topic = unique('/topic/sockjs.');
      await c.subscribe(topic);
      plain.sendBinary(topic, Uint8Array.of(0xff, 0xfe));
      assert.match((await endsWithError(c, 'binary-message', 1003)).body, /WebSocket/);
      // sockjs-client converts bytes to the text "[object ArrayBuffer]". The rest completes the line.
      const other = await connectSockJS(t, suite.url, transport);
      other.sendBinary(topic, Uint8Array.of(0xff, 0xfe));
      other.send(topic, '');
      await endsWithError(other, 'invalid-frame', 1002);
    });

    test('disconnects', async (t) => {
      const c = await connectSockJS(t, suite.url, transport);
      await c.client.deactivate();
      await c.disconnected.next();
      assert.equal((await c.closed.next()).code, 1000);
      assert.equal(c.errors.size, 0);
    });

    test('a token in the query', async (t) => {
      const broker = await startBroker(t, {}, configuration());
      const c = await connectSockJS(t, `${broker.url}?access_token=${await token('ada')}`, transport);
      assert.equal(c.opened.headers['user-name'], 'ada');
      const without = new Connection(broker.url, { webSocketFactory: () => sockJS(http(broker.url), [transport]) });
      t.after(() => without.end());
      without.client.activate();
      await endsWithError(without, 'authentication-failed', 1008);
    });
  });
}

test('by default, sockjs-client uses WebSocket', async (t) => {
  const broker = await startBroker(t);
  await (await connectSockJS(t, broker.url)).fence();
});

test('SockJS can be disabled', async (t) => {
  const broker = await startBroker(t, { 'listen-websocket-sockjs': 'false' });
  assert.equal((await fetch(`${http(broker.url)}/info`)).status, 404);
  await (await connect(t, broker.url)).fence();
});

test('clients that open a session, or the plain WebSocket, directly', async (t) => {
  const broker = await startBroker(t);
  await (await connect(t, `${broker.url}/websocket`)).fence();
  const socket = new WebSocket(`${broker.url}/123/abcdefgh/websocket`);
  const came = new Inbox('a SockJS frame');
  socket.onmessage = ({ data }) => came.put(data);
  t.after(() => socket.close());
  assert.equal(await came.next(), 'o');
  socket.send('["CONNECT\\naccept-version:1.2\\n\\n\\u0000","\\n"]');
  assert.match(await came.next(), /^a\["CONNECTED\\n.*\\u0000"\]$/);
});
