// webstomp-client 1.2.6: offers its subprotocols in ascending order, splits frames longer than 16 KiB, and
// disconnects without waiting.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import webstomp from 'webstomp-client';

import { startBroker, suiteBroker } from './lib/broker.js';
import { OldConnection } from './lib/old.js';
import { unique } from './lib/stompjs.js';
import { within } from './lib/wait.js';

class WebstompConnection extends OldConnection {
  send(destination, body, headers) {
    this.client.send(destination, body, headers);
  }
}

async function connect(t, url, options = {}, headers = {}) {
  const c = new WebstompConnection(webstomp.client(url, { debug: false, ...options }));
  t.after(() => c.end());
  await c.connect(headers);
  return c;
}

describe('webstomp-client', { concurrency: 4 }, () => {
  const suite = suiteBroker();

  test('gets 1.2, the highest of the subprotocols that it offers', async (t) => {
    const c = await connect(t, suite.url);
    assert.equal(c.client.ws.protocol, 'v12.stomp');
    assert.equal(c.client.version, '1.2');
    assert.equal(c.opened.headers['heart-beat'], '10000,10000');
  });

  for (const [protocol, version] of [['v10.stomp', '1.0'], ['v11.stomp', '1.1'], ['v12.stomp', '1.2']]) {
    test(`${version}: sends, receives, acknowledges`, async (t) => {
      const c = await connect(t, suite.url, { protocols: [protocol] });
      assert.equal(c.client.version, version);
      const queue = unique('/queue/webstomp.');
      const inbox = c.subscribe(queue, { ack: 'client' });
      c.send(queue, 'first: aä€😀', { kind: 'test' });
      const m = await inbox.next();
      assert.equal(m.body.slice(0, 8), 'first: a');
      assert.equal(m.headers.kind, 'test');
      assert.equal(m.headers.subscription, inbox.id);
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
    const topic = unique('/topic/webstomp.');
    const inbox = c.subscribe(topic);
    c.send(topic, 'aä€😀');
    assert.equal((await inbox.next()).body, 'aä€😀');
    assert.ok(c.messagesIn.every((m) => !m.isBinary));
  });

  test('binary mode', async (t) => {
    const c = await connect(t, suite.url, { binary: true });
    const topic = unique('/topic/webstomp.');
    const inbox = c.subscribe(topic);
    for (const body of ['aä€😀', 'x'.repeat(100_000)]) {
      c.send(topic, body);
      assert.ok((await inbox.next()).body === body);
    }
  });

  test('large frames, in many messages', async (t) => {
    const c = await connect(t, suite.url);
    const topic = unique('/topic/webstomp.');
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
    const queue = unique('/queue/webstomp.');
    const inbox = c.subscribe(queue);
    const [kept, dropped] = [c.client.begin('kept'), c.client.begin('dropped')];
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
    const topic = unique('/topic/webstomp.');
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
    const c = await connect(t, suite.url, { heartbeat: false });
    assert.equal(c.opened.headers['heart-beat'], '0,0');
  });

  test('an ERROR, and the end', async (t) => {
    const c = await connect(t, suite.url);
    c.send('/nowhere/x', 'body', { receipt: 'r' });
    const error = await c.errors.next();
    assert.equal(error.command, 'ERROR');
    assert.equal(error.headers.message, 'unknown-destination');
    assert.equal(error.headers['receipt-id'], 'r');
    assert.match(error.body, /\/topic\//);
    assert.equal((await c.errors.next()).code, 1002);
  });

  test('messages sent before disconnecting arrive', async (t) => {
    const [leaving, staying] = [await connect(t, suite.url), await connect(t, suite.url)];
    const queue = unique('/queue/webstomp.');
    const inbox = staying.subscribe(queue);
    await staying.fence();
    leaving.send(queue, 'x'.repeat(300_000));
    leaving.client.disconnect();
    assert.equal((await inbox.next()).body.length, 300_000);
    await within(leaving.closed, 'the end of the connection');
  });

  test('the end of the broker', async (t) => {
    const broker = await startBroker(t);
    const c = await connect(t, broker.url);
    await broker.stop();
    assert.equal((await c.errors.next()).code, 1001);
  });
});
