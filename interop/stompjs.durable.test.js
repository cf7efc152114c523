// @stomp/stompjs: queues on disk, durable subscriptions, and policies.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { startBroker, suiteBroker } from './lib/broker.js';
import { connect, endsWithError, unique } from './lib/stompjs.js';

const bodies = (messages) => messages.map((m) => m.body);
const onDisk = { 'storage-directory': 'data' };

describe('stompjs and a broker that crashes', () => {
  test('messages with a RECEIPT survive, acknowledged ones do not come back', async (t) => {
    const broker = await startBroker(t, onDisk);
    const queue = '/queue/kept';
    const sender = await connect(t, broker.url);
    const sent = Array.from({ length: 100 }, (_, i) => `${i}`);
    await Promise.all(sent.map((body) => sender.sendWithReceipt(queue, body, { kind: 'kept: ä' })));
    await sender.sendWithReceipt(queue, 'in memory', { persistent: 'false' });
    const taker = await connect(t, broker.url);
    const first = await (await taker.subscribe(queue, { ack: 'client-individual' })).take(10);
    await Promise.all(first.map((m) => taker.receipt((r) => m.ack(r))));
    await broker.crash();
    const c = await connect(t, broker.url);
    const inbox = await c.subscribe(queue, { ack: 'client' });
    const got = await inbox.take(90);
    await c.fence();
    assert.equal(inbox.size, 0);
    assert.deepEqual(bodies(got), sent.slice(10));
    assert.ok(got.every((m) => m.headers.kind === 'kept: ä'));
  });

  test('a transaction survives with all of its messages', async (t) => {
    const broker = await startBroker(t, onDisk);
    const c = await connect(t, broker.url);
    const whole = c.client.begin();
    c.send('/queue/one', '1', { transaction: whole.id });
    c.send('/queue/two', '2', { transaction: whole.id });
    whole.commit();
    await c.sendWithReceipt('/queue/one', 'behind it'); // the RECEIPT means that everything sent before is on disk
    const open = c.client.begin();
    c.send('/queue/one', 'never committed', { transaction: open.id });
    await c.fence();
    await broker.crash();
    const d = await connect(t, broker.url);
    const inboxes = [await d.subscribe('/queue/one'), await d.subscribe('/queue/two')];
    assert.deepEqual(bodies(await inboxes[0].take(2)), ['1', 'behind it']);
    assert.equal((await inboxes[1].next()).body, '2');
    await d.fence();
    assert.equal(inboxes[0].size, 0);
  });

  for (const [way, headers] of Object.entries({
    'durable:true': { id: 'news', durable: 'true', 'auto-delete': 'false' },
    'activemq.subscriptionName': { 'activemq.subscriptionName': 'news' },
  })) {
    test(`a durable subscription keeps messages published meanwhile: ${way}`, async (t) => {
      const broker = await startBroker(t, onDisk);
      const options = { connectHeaders: { 'client-id': 'reader' } };
      const reader = await connect(t, broker.url, options);
      await reader.subscribe('/topic/news', { ...headers, ack: 'client' });
      await reader.client.deactivate();
      const sender = await connect(t, broker.url);
      for (const body of ['1', '2', '3']) {
        await sender.sendWithReceipt('/topic/news', body);
      }
      await broker.crash();
      const again = await connect(t, broker.url, options);
      const inbox = await again.subscribe('/topic/news', { ...headers, ack: 'client' });
      const got = await inbox.take(3);
      assert.deepEqual(bodies(got), ['1', '2', '3']);
      await again.receipt((r) => got[2].ack(r));
      // Only this deletes the subscription.
      await again.receipt((r) => inbox.unsubscribe({ ...headers, ...r }));
      await again.sendWithReceipt('/topic/news', 'for nobody');
      const anew = await again.subscribe('/topic/news', { ...headers, ack: 'client' });
      await again.fence();
      assert.equal(anew.size, 0);
    });
  }
});

describe('stompjs and policies', { concurrency: 4 }, () => {
  const suite = suiteBroker(onDisk, {
    auth: { anonymous: true },
    destinations: [
      { match: '/queue/careful', max_deliveries: 2, redelivery_delay: '300ms', dead_letter: '/queue/dead' },
      { match: '/queue/small', max_messages: 2 },
    ],
  });

  test('NACK: redelivered after a delay, then a dead letter, and blocks no other message', async (t) => {
    const c = await connect(t, suite.url);
    const inbox = await c.subscribe('/queue/careful', { ack: 'client-individual', 'prefetch-count': '1' });
    const dead = await c.subscribe('/queue/dead');
    c.send('/queue/careful', 'poison', { kind: 'bad' });
    const first = await inbox.next();
    const nacked = Date.now();
    first.nack();
    c.send('/queue/careful', 'fine');
    const other = await inbox.next();
    assert.equal(other.body, 'fine');
    other.ack();
    const second = await inbox.next();
    assert.equal(second.body, 'poison');
    assert.equal(second.headers.redelivered, 'true');
    assert.equal(second.headers['delivery-count'], '2');
    assert.ok(Date.now() - nacked >= 290, `it came after ${Date.now() - nacked} ms`);
    second.nack();
    const letter = await dead.next();
    assert.equal(letter.body, 'poison');
    assert.equal(letter.headers['original-destination'], '/queue/careful');
    assert.equal(letter.headers['death-reason'], 'max-deliveries');
    assert.equal(letter.headers['death-count'], '1');
    assert.equal(letter.headers.kind, 'bad');
  });

  test('NACK with requeue:false: dropped at once without a dead letter queue', async (t) => {
    const c = await connect(t, suite.url);
    const queue = unique('/queue/rejected.');
    const inbox = await c.subscribe(queue, { ack: 'client-individual' });
    c.send(queue, 'no');
    const message = await inbox.next();
    await c.receipt((r) => message.nack({ requeue: 'false', ...r }));
    await c.fence();
    assert.equal(inbox.size, 0);
  });

  test('a delayed message', async (t) => {
    const c = await connect(t, suite.url);
    const queue = unique('/queue/delayed.');
    const inbox = await c.subscribe(queue);
    const sent = Date.now();
    c.send(queue, 'later', { AMQ_SCHEDULED_DELAY: '500' });
    c.send(queue, 'now');
    assert.equal((await inbox.next()).body, 'now');
    const later = await inbox.next();
    assert.equal(later.body, 'later');
    assert.equal(later.headers.AMQ_SCHEDULED_DELAY, '500');
    assert.ok(Date.now() - sent >= 490, `it came after ${Date.now() - sent} ms`);
  });

  test('the application learns that a queue is full, and the receipt that it will not get', async (t) => {
    const c = await connect(t, suite.url);
    await c.sendWithReceipt('/queue/small', '1');
    await c.sendWithReceipt('/queue/small', '2');
    c.send('/queue/small', '3', { receipt: 'third' });
    const error = await endsWithError(c, 'queue-full', 1013);
    assert.equal(error.headers['receipt-id'], 'third');
    assert.match(error.body, /\/queue\/small/);
    assert.match(error.body, /destinations\[\]\.max_messages/);
    const reader = await connect(t, suite.url);
    const inbox = await reader.subscribe('/queue/small');
    assert.deepEqual(bodies(await inbox.take(2)), ['1', '2']);
    await reader.fence();
    assert.equal(inbox.size, 0);
    await reader.sendWithReceipt('/queue/small', '4');
  });

  test('priorities', async (t) => {
    const c = await connect(t, suite.url);
    const queue = unique('/queue/priorities.');
    for (const priority of ['0', '9', '4', '9', '5']) {
      await c.sendWithReceipt(queue, priority, { priority });
    }
    const inbox = await c.subscribe(queue);
    assert.deepEqual(bodies(await inbox.take(5)), ['9', '9', '5', '4', '0']);
  });

  test('a header that is not supported gets an ERROR', async (t) => {
    const c = await connect(t, suite.url);
    c.send('/queue/x', '', { JMSXGroupID: 'g', receipt: 'r' });
    const error = await endsWithError(c, 'not-supported', 1002);
    assert.equal(error.headers['receipt-id'], 'r');
    assert.match(error.body, /JMSXGroupID/);
  });
});
