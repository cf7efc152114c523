// @stomp/stompjs: queues, acknowledgements and transactions.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { Versions } from '@stomp/stompjs';

import { suiteBroker } from './lib/broker.js';
import { connect, onlyVersion, unique } from './lib/stompjs.js';

const bodies = (messages) => messages.map((m) => m.body);

describe('stompjs and queues', { concurrency: 4 }, () => {
  const suite = suiteBroker();

  /** Makes a queue with these messages. */
  async function filled(t, ...list) {
    const c = await connect(t, suite.url);
    const queue = unique('/queue/filled.');
    for (const body of list.slice(0, -1)) {
      c.send(queue, body);
    }
    await c.sendWithReceipt(queue, list.at(-1));
    return queue;
  }

  /** The messages of a queue, in order, with their headers. They stay in the queue. */
  async function contents(t, queue, n) {
    const c = await connect(t, suite.url);
    const inbox = await c.subscribe(queue, { ack: 'client' });
    const messages = await inbox.take(n);
    await c.fence();
    assert.equal(inbox.size, 0, `${queue} holds no more than ${n} messages`);
    await c.client.deactivate();
    return messages;
  }

  test('auto: delivered messages are gone', async (t) => {
    const queue = await filled(t, '1', '2', '3');
    const c = await connect(t, suite.url);
    const inbox = await c.subscribe(queue);
    const got = await inbox.take(3);
    assert.deepEqual(bodies(got), ['1', '2', '3']);
    assert.ok(got.every((m) => m.headers.ack === undefined && m.headers.redelivered === undefined));
    await c.fence();
    await c.client.deactivate();
    await contents(t, queue, 0);
  });

  for (const version of [Versions.V1_1, Versions.V1_2]) {
    test(`client: ACK is cumulative, with ${version}`, async (t) => {
      const queue = await filled(t, '1', '2', '3', '4');
      const c = await connect(t, suite.url, { stompVersions: onlyVersion(version) });
      const inbox = await c.subscribe(queue, { ack: 'client' });
      const got = await inbox.take(4);
      await c.receipt((r) => got[1].ack(r));
      await c.client.deactivate();
      assert.deepEqual(bodies(await contents(t, queue, 2)), ['3', '4']);
    });
  }

  test('client: ACK covers its subscription only', async (t) => {
    const [one, two] = [await filled(t, 'one'), await filled(t, 'two')];
    const c = await connect(t, suite.url);
    const inboxes = [await c.subscribe(one, { ack: 'client' }), await c.subscribe(two, { ack: 'client' })];
    await inboxes[0].next();
    const second = await inboxes[1].next();
    await c.receipt((r) => second.ack(r));
    await c.client.deactivate();
    assert.deepEqual(bodies(await contents(t, one, 1)), ['one']);
    await contents(t, two, 0);
  });

  test('client-individual: ACK covers one message', async (t) => {
    const queue = await filled(t, '1', '2', '3', '4');
    const c = await connect(t, suite.url);
    const inbox = await c.subscribe(queue, { ack: 'client-individual' });
    const got = await inbox.take(4);
    got[2].ack();
    await c.receipt((r) => got[0].ack(r));
    await c.client.deactivate();
    assert.deepEqual(bodies(await contents(t, queue, 2)), ['2', '4']);
  });

  test('NACK redelivers, with a count', async (t) => {
    const queue = await filled(t, 'again');
    const c = await connect(t, suite.url);
    const inbox = await c.subscribe(queue, { ack: 'client-individual' });
    const first = await inbox.next();
    assert.equal(first.headers.redelivered, undefined);
    assert.equal(first.headers['delivery-count'], undefined);
    first.nack();
    const second = await inbox.next();
    assert.equal(second.headers.redelivered, 'true');
    assert.equal(second.headers['delivery-count'], '2');
    second.nack();
    const third = await inbox.next();
    assert.equal(third.body, 'again');
    assert.equal(third.headers['delivery-count'], '3');
    await c.receipt((r) => third.ack(r));
    await c.client.deactivate();
    await contents(t, queue, 0);
  });

  test('NACK with requeue:false is not redelivered', async (t) => {
    const queue = await filled(t, 'bad', 'good');
    const c = await connect(t, suite.url);
    const inbox = await c.subscribe(queue, { ack: 'client-individual' });
    const [bad] = await inbox.take(2);
    await c.receipt((r) => bad.nack({ requeue: 'false', ...r }));
    await c.client.deactivate();
    assert.deepEqual(bodies(await contents(t, queue, 1)), ['good']);
  });

  for (const header of ['prefetch-count', 'activemq.prefetchSize']) {
    test(`${header} limits unacknowledged messages`, async (t) => {
      const queue = await filled(t, '1', '2', '3', '4', '5');
      const c = await connect(t, suite.url);
      const inbox = await c.subscribe(queue, { ack: 'client-individual', [header]: '2' });
      const [one, two] = await inbox.take(2);
      await c.fence();
      assert.equal(inbox.size, 0);
      one.ack();
      const three = await inbox.next();
      await c.fence();
      assert.equal(inbox.size, 0);
      two.ack();
      three.ack();
      assert.deepEqual(bodies([one, two, three, ...(await inbox.take(2))]), ['1', '2', '3', '4', '5']);
    });
  }

  test('the RECEIPT of SUBSCRIBE comes before its first MESSAGE', async (t) => {
    const queue = await filled(t, '1', '2', '3');
    const c = await connect(t, suite.url);
    const inbox = await c.subscribe(queue);
    await inbox.take(3);
    const commands = c.messagesIn.map((m) => m.split('\n', 1)[0]);
    assert.deepEqual(commands, ['CONNECTED', 'RECEIPT', 'MESSAGE', 'MESSAGE', 'MESSAGE']);
  });

  test('two consumers share the messages', async (t) => {
    const queue = unique('/queue/shared.');
    const [a, b, sender] = [await connect(t, suite.url), await connect(t, suite.url), await connect(t, suite.url)];
    const [ofA, ofB] = [await a.subscribe(queue), await b.subscribe(queue)];
    const sent = Array.from({ length: 60 }, (_, i) => String(i));
    sent.forEach((body) => sender.send(queue, body));
    await sender.fence();
    await Promise.all([a.fence(), b.fence()]);
    const [gotA, gotB] = [bodies(ofA.drain()), bodies(ofB.drain())];
    assert.deepEqual([...gotA, ...gotB].map(Number).sort((x, y) => x - y), sent.map(Number));
    assert.ok(Math.abs(gotA.length - gotB.length) <= 20, `${gotA.length} and ${gotB.length} are fair shares`);
    for (const got of [gotA, gotB]) {
      assert.deepEqual(got.map(Number), got.map(Number).sort((x, y) => x - y), 'each gets its share in order');
    }
  });

  test('a busy consumer leaves the rest to others', async (t) => {
    const queue = await filled(t, '1', '2', '3');
    const [slow, quick] = [await connect(t, suite.url), await connect(t, suite.url)];
    const kept = await slow.subscribe(queue, { ack: 'client', 'prefetch-count': '1' });
    await kept.next();
    const rest = await quick.subscribe(queue);
    assert.deepEqual(bodies(await rest.take(2)), ['2', '3']);
    await slow.fence();
    assert.equal(kept.size, 0);
  });

  test('disconnecting requeues unacknowledged messages in order', async (t) => {
    const queue = await filled(t, '1', '2', '3', '4', '5');
    const c = await connect(t, suite.url);
    const inbox = await c.subscribe(queue, { ack: 'client-individual', 'prefetch-count': '3' });
    const [, two] = await inbox.take(3);
    two.ack();
    assert.equal((await inbox.next()).body, '4');
    await c.client.deactivate();
    const left = await contents(t, queue, 4);
    assert.deepEqual(bodies(left), ['1', '3', '4', '5']);
    assert.deepEqual(left.map((m) => m.headers.redelivered), ['true', 'true', 'true', undefined]);
  });

  test('a lost connection requeues them, too', async (t) => {
    const queue = await filled(t, '1', '2', '3');
    const waiting = await connect(t, suite.url);
    const c = await connect(t, suite.url);
    await (await c.subscribe(queue, { ack: 'client' })).take(3);
    const inbox = await waiting.subscribe(queue);
    await c.client.deactivate({ force: true });
    const got = await inbox.take(3);
    assert.deepEqual(bodies(got), ['1', '2', '3']);
    assert.ok(got.every((m) => m.headers.redelivered === 'true'));
  });

  test('unsubscribing requeues them, too', async (t) => {
    const queue = await filled(t, '1', '2', '3');
    const c = await connect(t, suite.url);
    const first = await c.subscribe(queue, { ack: 'client' });
    await first.take(3);
    first.unsubscribe();
    const second = await c.subscribe(queue);
    assert.deepEqual(bodies(await second.take(3)), ['1', '2', '3']);
  });

  test('a transaction is published by COMMIT', async (t) => {
    const c = await connect(t, suite.url);
    const [queue, topic] = [unique('/queue/tx.'), unique('/topic/tx.')];
    const inboxes = [await c.subscribe(queue), await c.subscribe(topic)];
    const tx = c.client.begin();
    c.send(queue, '1', { transaction: tx.id });
    c.send(topic, '2', { transaction: tx.id });
    c.send(queue, '3', { transaction: tx.id });
    await c.fence();
    assert.equal(inboxes[0].size + inboxes[1].size, 0);
    tx.commit();
    const got = await inboxes[0].take(2);
    assert.deepEqual(bodies(got), ['1', '3']);
    assert.ok(got.every((m) => m.headers.transaction === undefined));
    assert.equal((await inboxes[1].next()).body, '2');
  });

  test('RECEIPTs in a transaction come after COMMIT', async (t) => {
    const c = await connect(t, suite.url);
    const receipts = [];
    c.client.onUnhandledReceipt = (f) => receipts.push(f.headers['receipt-id']);
    const tx = c.client.begin();
    c.send(unique('/queue/tx.'), '', { transaction: tx.id, receipt: 'in it' });
    await c.fence();
    assert.deepEqual(receipts, []);
    tx.commit();
    await c.fence();
    assert.deepEqual(receipts, ['in it']);
  });

  test('ABORT drops the sent messages', async (t) => {
    const c = await connect(t, suite.url);
    const queue = unique('/queue/tx.');
    const inbox = await c.subscribe(queue);
    const tx = c.client.begin();
    c.send(queue, 'dropped', { transaction: tx.id });
    tx.abort();
    c.send(queue, 'kept');
    await c.fence();
    assert.deepEqual(bodies(inbox.drain()), ['kept']);
  });

  test('a dropped connection aborts', async (t) => {
    const [c, other] = [await connect(t, suite.url), await connect(t, suite.url)];
    const queue = unique('/queue/tx.');
    const tx = c.client.begin();
    await c.sendWithReceipt(unique('/topic/none.'), '');
    c.send(queue, 'dropped', { transaction: tx.id });
    await c.fence();
    await c.client.deactivate({ force: true });
    await other.sendWithReceipt(queue, 'kept');
    assert.deepEqual(bodies(await contents(t, queue, 1)), ['kept']);
  });

  test('ACK in a transaction takes effect at COMMIT', async (t) => {
    const queue = await filled(t, '1', '2');
    const c = await connect(t, suite.url);
    const inbox = await c.subscribe(queue, { ack: 'client-individual' });
    const [one, two] = await inbox.take(2);
    const tx = c.client.begin();
    one.ack({ transaction: tx.id });
    tx.commit();
    const open = c.client.begin();
    two.ack({ transaction: open.id });
    await c.fence();
    await c.client.deactivate();
    assert.deepEqual(bodies(await contents(t, queue, 1)), ['2']);
  });

  test('after ABORT, messages acknowledged in it are still unacknowledged', async (t) => {
    const queue = await filled(t, '1', '2');
    const c = await connect(t, suite.url);
    const inbox = await c.subscribe(queue, { ack: 'client-individual' });
    const [one] = await inbox.take(2);
    const tx = c.client.begin();
    one.ack({ transaction: tx.id });
    tx.abort();
    await c.fence();
    assert.equal(inbox.size, 0);
    await c.receipt((r) => one.ack(r));
    await c.client.deactivate();
    assert.deepEqual(bodies(await contents(t, queue, 1)), ['2']);
  });
});
