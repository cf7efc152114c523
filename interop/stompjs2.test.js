// stompjs 2.3.3, from 2014: supports 1.0 and 1.1, splits frames longer than 16 KiB, expects one frame per message,
// and disconnects without waiting.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';

import WebSocket from 'ws';

import { suiteBroker } from './lib/broker.js';
import { OldConnection } from './lib/old.js';
import { unique } from './lib/stompjs.js';

// The file for browsers. The package's main file is for Node only and replaces timers as well.
const { Stomp } = createRequire(import.meta.url)('stompjs/lib/stomp.js');
Stomp.WebSocketClass = WebSocket;
Stomp.setInterval = (interval, action) => setInterval(action, interval);
Stomp.clearInterval = (id) => clearInterval(id);

class OldStompConnection extends OldConnection {
  send(destination, body, headers = {}) {
    this.client.send(destination, headers, body);
  }
}

async function connect(t, url, { protocols, heartbeat } = {}, headers = {}) {
  const client = Stomp.client(url, protocols);
  client.debug = null;
  Object.assign(client.heartbeat, heartbeat);
  const c = new OldStompConnection(client);
  t.after(() => c.end());
  await c.connect(headers);
  return c;
}

describe('stompjs 2.3.3', { concurrency: 4 }, () => {
  const suite = suiteBroker();

  test('gets 1.1, the highest of the subprotocols that it offers', async (t) => {
    const c = await connect(t, suite.url);
    assert.equal(c.client.ws.protocol, 'v11.stomp');
    assert.equal(c.opened.headers.version, '1.1');
    assert.equal(c.opened.headers['heart-beat'], '10000,10000');
  });

  for (const [protocol, version] of [['v10.stomp', '1.0'], ['v11.stomp', '1.1']]) {
    test(`${version}: sends, receives, acknowledges`, async (t) => {
      const c = await connect(t, suite.url, { protocols: [protocol] });
      assert.equal(c.opened.headers.version, version);
      const queue = unique('/queue/stompjs2.');
      const inbox = c.subscribe(queue, { ack: 'client' });
      c.send(queue, 'first', { kind: 'test' });
      const m = await inbox.next();
      assert.equal(m.body, 'first');
      assert.equal(m.headers.kind, 'test');
      m.nack();
      const again = await inbox.next();
      assert.equal(again.headers.redelivered, 'true');
      again.ack({ receipt: 'acked' });
      assert.equal(await c.receipts.next(), 'acked');
      inbox.unsubscribe();
      await c.fence();
      assert.equal(inbox.size, 0);
    });
  }

  test('text arrives as text', async (t) => {
    const c = await connect(t, suite.url);
    const topic = unique('/topic/stompjs2.');
    const inbox = c.subscribe(topic);
    c.send(topic, 'aä€😀');
    assert.equal((await inbox.next()).body, 'aä€😀');
    assert.ok(c.messagesIn.every((m) => !m.isBinary));
  });

  test('consecutive messages arrive one by one', async (t) => {
    const c = await connect(t, suite.url);
    const topic = unique('/topic/stompjs2.');
    const inbox = c.subscribe(topic);
    const bodies = Array.from({ length: 500 }, (_, i) => `message ${i}`);
    bodies.forEach((body) => c.send(topic, body));
    assert.deepEqual((await inbox.take(bodies.length)).map((m) => m.body), bodies);
  });

  test('large frames, out in many messages, back in one', async (t) => {
    const c = await connect(t, suite.url);
    const topic = unique('/topic/stompjs2.');
    const inbox = c.subscribe(topic);
    const bodies = ['x'.repeat(16 * 1024), 'y'.repeat(1 << 20), 'éa'.repeat(100_000), 'small'];
    for (const body of bodies) {
      c.send(topic, body);
    }
    for (const body of bodies) {
      assert.ok((await inbox.next()).body === body, `${body.length} characters came unchanged`);
    }
  });

  test('transactions', async (t) => {
    const c = await connect(t, suite.url);
    const queue = unique('/queue/stompjs2.');
    const inbox = c.subscribe(queue);
    const [kept, dropped] = [c.client.begin(), c.client.begin()];
    c.send(queue, 'kept', { transaction: kept.id });
    c.send(queue, 'dropped', { transaction: dropped.id });
    dropped.abort();
    await c.fence();
    assert.equal(inbox.size, 0);
    kept.commit();
    assert.equal((await inbox.next()).body, 'kept');
    await c.fence();
    assert.equal(inbox.size, 0);
  });

  test('heart-beats keep the connection open, and no message is lost between them', async (t) => {
    const c = await connect(t, suite.url, { heartbeat: { outgoing: 2000, incoming: 2000 } });
    assert.equal(c.opened.headers['heart-beat'], '2000,2000');
    const topic = unique('/topic/stompjs2.');
    const inbox = c.subscribe(topic);
    for (let i = 0; i < 4; i++) {
      await c.heartBeats.next();
      c.send(topic, String(i));
      assert.equal((await inbox.next()).body, String(i));
    }
    assert.ok(c.client.connected);
    assert.equal(c.errors.size, 0);
  });

  test('no heart-beats', async (t) => {
    const c = await connect(t, suite.url, { heartbeat: { outgoing: 0, incoming: 0 } });
    assert.equal(c.opened.headers['heart-beat'], '0,0');
  });

  test('an ERROR, and the end', async (t) => {
    const c = await connect(t, suite.url);
    c.send('/nowhere/x', 'body', { receipt: 'r' });
    const error = await c.errors.next();
    assert.equal(error.command, 'ERROR');
    assert.equal(error.headers.message, 'unknown-destination');
    assert.equal(error.headers['receipt-id'], 'r');
    assert.match(await c.errors.next(), /Lost connection/);
    assert.equal(await c.closed, 1002);
  });

  test('messages sent before disconnecting arrive', async (t) => {
    const [leaving, staying] = [await connect(t, suite.url), await connect(t, suite.url)];
    const queue = unique('/queue/stompjs2.');
    const inbox = staying.subscribe(queue);
    await staying.fence();
    leaving.send(queue, 'x'.repeat(300_000));
    leaving.client.disconnect();
    assert.equal((await inbox.next()).body.length, 300_000);
  });
});
