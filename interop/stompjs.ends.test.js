// @stomp/stompjs: the end of connections, and reconnecting.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { startBroker, suiteBroker } from './lib/broker.js';
import { connect, endsWithError, leaving, unique } from './lib/stompjs.js';
import { Inbox } from './lib/wait.js';

describe('stompjs and errors', { concurrency: 4 }, () => {
  const suite = suiteBroker({ 'limits-frame-body-bytes': '64KiB' });

  test('an unknown destination in SEND', async (t) => {
    const c = await connect(t, suite.url);
    c.send('/nowhere/x', 'body', { receipt: 'r:1' });
    const error = await endsWithError(c, 'unknown-destination', 1002);
    assert.equal(error.headers['receipt-id'], 'r:1');
    assert.match(error.body, /\/nowhere\/x/);
    assert.match(error.body, /\/topic\//);
    assert.match(error.body, /\/queue\//);
  });

  test('an unknown destination in SUBSCRIBE', async (t) => {
    const c = await connect(t, suite.url);
    c.client.subscribe('/nowhere/x', () => {}, { receipt: 'r2' });
    const error = await endsWithError(c, 'unknown-destination', 1002);
    assert.equal(error.headers['receipt-id'], 'r2');
  });

  test('an unknown ack id', async (t) => {
    const c = await connect(t, suite.url);
    c.client.ack('never-given', 'sub-0', { receipt: 'r3' });
    const error = await endsWithError(c, 'unknown-ack-id', 1002);
    assert.equal(error.headers['receipt-id'], 'r3');
    assert.match(error.body, /ACK/);
  });

  test('a second ACK of a message is late: the connection stays open, and no other message is affected', async (t) => {
    const [c, other] = [await connect(t, suite.url), await connect(t, suite.url)];
    const queue = unique('/queue/twice.');
    const inbox = await c.subscribe(queue, { ack: 'client-individual' });
    c.send(queue, '1');
    c.send(queue, '2');
    const [one] = await inbox.take(2);
    one.ack();
    const receipt = new Promise((resolve) => c.client.watchForReceipt('second', resolve));
    one.ack({ receipt: 'second' });
    assert.equal((await receipt).headers.late, 'true');
    await c.client.deactivate();
    const m = await (await other.subscribe(queue)).next();
    assert.equal(m.body, '2');
    assert.equal(m.headers.redelivered, 'true');
  });

  for (const destination of ['/topic/a.*', '/topic/**', '/topic/a.#', '/topic/a.>', '/queue/*']) {
    test(`a wildcard in SEND: ${destination}`, async (t) => {
      const c = await connect(t, suite.url);
      c.send(destination, '', { receipt: 'w' });
      const error = await endsWithError(c, 'invalid-destination', 1002);
      assert.equal(error.headers['receipt-id'], 'w');
      assert.match(error.body, /wildcard/);
    });
  }

  for (const splitLargeFrames of [false, true]) {
    test(`a body beyond the limit, ${splitLargeFrames ? '' : 'not '}split`, async (t) => {
      const c = await connect(t, suite.url, { splitLargeFrames });
      c.send('/topic/x', 'x'.repeat(65537), { receipt: 'large' });
      const error = await endsWithError(c, 'frame-too-large', 1009);
      assert.equal(error.headers['receipt-id'], 'large');
      assert.match(error.body, /65536/);
      assert.match(error.body, /limits\.frame_body_bytes/);
    });
  }

  test('a body exactly at the limit', async (t) => {
    const c = await connect(t, suite.url);
    await c.sendWithReceipt(unique('/topic/x'), 'x'.repeat(65536));
  });

  test('a frame split within a character', async (t) => {
    const c = await connect(t, suite.url, { splitLargeFrames: true, maxWebSocketChunkSize: 61 });
    c.send('/topic/split', '😀'.repeat(50), { receipt: 's' });
    const cut = c.messagesOut.at(-1).slice(0, 61);
    assert.match(cut, /[\ud800-\udbff]$/, 'the first part ends in the middle of a character');
    const error = await endsWithError(c, 'invalid-frame', 1002);
    assert.equal(error.headers['receipt-id'], 's');
    assert.match(error.body, /content-length/);
    assert.match(error.body, /split inside a character/);
  });

  test('an ack mode that does not exist', async (t) => {
    const c = await connect(t, suite.url);
    c.client.subscribe('/queue/x', () => {}, { ack: 'sometimes' });
    const error = await endsWithError(c, 'invalid-header', 1002);
    assert.match(error.body, /client-individual/);
  });

  test('the same subscription id: accepted for the same destination, refused for another', async (t) => {
    const c = await connect(t, suite.url);
    const topic = unique('/topic/same.');
    const first = await c.subscribe(topic, { id: 'one' });
    const second = await c.subscribe(topic, { id: 'one' });
    c.send(topic, 'once');
    assert.equal((await second.next()).body, 'once');
    await c.fence();
    assert.equal(first.size + second.size, 0);
    c.client.subscribe(unique('/topic/other.'), () => {}, { id: 'one', receipt: 'd' });
    const error = await endsWithError(c, 'duplicate-subscription', 1002);
    assert.equal(error.headers['receipt-id'], 'd');
  });

  for (const [what, action] of [
    ['COMMIT', (c) => c.client.commit('none')],
    ['ABORT', (c) => c.client.abort('none')],
    ['SEND', (c) => c.send('/topic/x', '', { transaction: 'none' })],
  ]) {
    test(`${what} of an unknown transaction`, async (t) => {
      const c = await connect(t, suite.url);
      action(c);
      assert.match((await endsWithError(c, 'unknown-transaction', 1002)).body, new RegExp(what));
    });
  }

  test('BEGIN twice', async (t) => {
    const c = await connect(t, suite.url);
    c.client.begin('tx');
    c.client.begin('tx');
    await endsWithError(c, 'duplicate-transaction', 1002);
  });

  test('earlier frames are answered before an ERROR', async (t) => {
    const c = await connect(t, suite.url);
    const receipts = Array.from({ length: 50 }, (_, i) => `receipt-${i}`);
    for (const receipt of receipts) {
      c.send(unique('/queue/before.'), '', { receipt });
    }
    c.send('/nowhere/x', '');
    c.send('/topic/after', '', { receipt: 'after' });
    await endsWithError(c, 'unknown-destination', 1002);
    const ids = c.framesIn('RECEIPT').map((m) => /^receipt-id:(.*)$/m.exec(m)[1]);
    assert.deepEqual(ids, receipts);
    assert.match(c.messagesIn.at(-1), /^ERROR\n/);
  });
});

describe('stompjs and the end of the broker', { concurrency: 4 }, () => {
  const suite = suiteBroker();

  test('deactivating gets a RECEIPT, and the client closes', async (t) => {
    const c = await connect(t, suite.url, { disconnectHeaders: { receipt: 'bye:1' } });
    c.send('/topic/x', 'last words');
    await c.client.deactivate();
    assert.equal((await c.disconnected.next()).headers['receipt-id'], 'bye:1');
    const close = await c.closed.next();
    assert.ok(leaving.includes(close.code), `closed with ${close.code}`);
    assert.ok(close.wasClean);
    assert.equal(c.errors.size, 0);
  });

  test('a client that gives itself a new connection', async (t) => {
    const c = await connect(t, suite.url, { reconnectDelay: 10 });
    c.client.forceDisconnect();
    await c.closed.next();
    await c.connected.next();
    await c.fence();
  });

  test('SIGTERM closes with 1001 after the queued frames, without an ERROR', async (t) => {
    const broker = await startBroker(t);
    const c = await connect(t, broker.url);
    const inbox = await c.subscribe('/topic/x');
    for (let i = 0; i < 50; i++) {
      c.send('/topic/x', String(i));
    }
    await c.fence();
    await broker.stop();
    const close = await c.closed.next();
    assert.equal(close.code, 1001);
    assert.ok(close.wasClean);
    assert.equal(inbox.size, 50);
    assert.equal(c.errors.size, 0);
  });

  test('after a restart the client reconnects and resubscribes', async (t) => {
    const broker = await startBroker(t);
    const inbox = new Inbox('a MESSAGE from /topic/news');
    const c = await connect(t, broker.url, {
      reconnectDelay: 50,
      onConnect: (client) => client.subscribe('/topic/news', (m) => inbox.put(m.body)),
    });
    for (const round of ['1', '2', '3']) {
      c.send('/topic/news', round);
      assert.equal(await inbox.next(), round);
      c.closed.drain(); // attempts during the broker's absence
      await broker.restart();
      assert.equal((await c.closed.next()).code, 1001);
      await c.connected.next();
    }
    await c.fence();
    assert.equal(inbox.size, 0);
  });
});
