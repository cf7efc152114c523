// @stomp/rx-stomp, which resubscribes by itself and offers request/reply in RabbitMQ's style.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { RxStomp, RxStompRPC, RxStompState } from '@stomp/rx-stomp';
import { filter, firstValueFrom } from 'rxjs';

import { startBroker, suiteBroker } from './lib/broker.js';
import { unique } from './lib/stompjs.js';
import { Inbox, within } from './lib/wait.js';

/** Makes a client that ends with the test. It is not active yet. */
function client(t, url) {
  const rx = new RxStomp();
  rx.configure({ brokerURL: url, reconnectDelay: 50 });
  t.after(() => within(rx.deactivate(), 'deactivate'));
  return rx;
}

/** Queues the values of an observable in an inbox, from now on. */
function collect(observable, what) {
  const inbox = new Inbox(what);
  const subscription = observable.subscribe((item) => inbox.put(item));
  return Object.assign(inbox, { unsubscribe: () => subscription.unsubscribe() });
}

const state = (rx, wanted) => within(firstValueFrom(rx.connectionState$.pipe(filter((s) => s === wanted))), RxStompState[wanted]);

describe('rx-stomp', { concurrency: 4 }, () => {
  const suite = suiteBroker();

  test('messages published before connecting are sent after the subscriptions', async (t) => {
    const rx = client(t, suite.url);
    const topic = unique('/topic/early.');
    const inbox = collect(rx.watch(topic), topic);
    rx.publish({ destination: topic, body: 'early', headers: { kind: 'x' } });
    rx.activate();
    const m = await inbox.next();
    assert.equal(m.body, 'early');
    assert.equal(m.headers.kind, 'x');
    const headers = await within(firstValueFrom(rx.serverHeaders$), 'CONNECTED');
    assert.equal(headers.version, '1.2');
  });

  test('watchers of a topic share a subscription; the last one ends it', async (t) => {
    const rx = client(t, suite.url);
    rx.activate();
    const topic = unique('/topic/shared.');
    const watched = rx.watch(topic);
    const [a, b] = [collect(watched, 'a'), collect(watched, 'b')];
    rx.publish({ destination: topic, body: '1' });
    assert.equal((await a.next()).body, '1');
    assert.equal((await b.next()).body, '1');
    a.unsubscribe();
    rx.publish({ destination: topic, body: '2' });
    assert.equal((await b.next()).body, '2');
    b.unsubscribe();
    const again = collect(rx.watch(topic), 'again');
    rx.publish({ destination: topic, body: '3' });
    assert.equal((await again.next()).body, '3');
    assert.equal(a.size + b.size, 0);
  });

  test('messages are acknowledged', async (t) => {
    const rx = client(t, suite.url);
    rx.activate();
    const queue = unique('/queue/ack.');
    const inbox = collect(rx.watch(queue, { ack: 'client-individual', 'prefetch-count': '1' }), queue);
    rx.publish({ destination: queue, body: '1' });
    rx.publish({ destination: queue, body: '2' });
    const first = await inbox.next();
    first.nack();
    const again = await inbox.next();
    assert.deepEqual([again.body, again.headers.redelivered], ['1', 'true']);
    again.ack();
    assert.equal((await inbox.next()).body, '2');
  });

  test('receipts', async (t) => {
    const rx = client(t, suite.url);
    rx.activate();
    await state(rx, RxStompState.OPEN);
    const watched = new Promise((resolve) => rx.watchForReceipt('watched', resolve));
    const asynchronous = rx.asyncReceipt('asynchronous');
    rx.publish({ destination: '/topic/x', headers: { receipt: 'watched' } });
    rx.publish({ destination: '/queue/x', headers: { receipt: 'asynchronous' } });
    assert.equal((await within(watched, 'RECEIPT')).headers['receipt-id'], 'watched');
    assert.equal((await within(asynchronous, 'RECEIPT')).headers['receipt-id'], 'asynchronous');
  });

  test('errors, after which it reconnects', async (t) => {
    const rx = client(t, suite.url);
    const errors = collect(rx.stompErrors$, 'ERROR');
    const topic = unique('/topic/through.');
    const inbox = collect(rx.watch(topic), topic);
    rx.activate();
    await state(rx, RxStompState.OPEN);
    rx.publish({ destination: '/nowhere/x', body: '', headers: { receipt: 'r' } });
    const error = await errors.next();
    assert.equal(error.headers.message, 'unknown-destination');
    assert.equal(error.headers['receipt-id'], 'r');
    await state(rx, RxStompState.CLOSED);
    await state(rx, RxStompState.OPEN);
    rx.publish({ destination: topic, body: 'back' });
    assert.equal((await inbox.next()).body, 'back');
  });

  test('a request and its reply, with the default reply queue', async (t) => {
    const [asking, answering] = [client(t, suite.url), client(t, suite.url)];
    const service = unique('/queue/rpc.');
    const served = answering.watch(service).subscribe((request) => {
      const { 'reply-to': destination, 'correlation-id': id } = request.headers;
      assert.match(destination, /^\/reply-queue\//);
      answering.publish({ destination, body: `answer to ${request.body}`, headers: { 'correlation-id': id } });
    });
    t.after(() => served.unsubscribe());
    asking.activate();
    answering.activate();
    const rpc = new RxStompRPC(asking);
    const ask = (body) => within(firstValueFrom(rpc.rpc({ destination: service, body })), `the reply to ${body}`);
    assert.equal((await ask('first')).body, 'answer to first');
    const replies = await Promise.all(['a', 'b', 'c'].map(ask));
    assert.deepEqual(replies.map((m) => m.body), ['answer to a', 'answer to b', 'answer to c']);
    assert.equal(replies[0].headers.destination, '/temp-queue/rpc-replies');
  });

  test('many replies to one request', async (t) => {
    const rx = client(t, suite.url);
    const service = unique('/topic/stream.');
    const served = rx.watch(service).subscribe((request) => {
      for (const body of ['1', '2', '3']) {
        rx.publish({ destination: request.headers['reply-to'], body, headers: { 'correlation-id': request.headers['correlation-id'] } });
      }
    });
    t.after(() => served.unsubscribe());
    rx.activate();
    await state(rx, RxStompState.OPEN);
    const replies = collect(new RxStompRPC(rx).stream({ destination: service, body: '' }), 'replies');
    assert.deepEqual((await replies.take(3)).map((m) => m.body), ['1', '2', '3']);
    replies.unsubscribe();
  });

  test('it resubscribes, and requests work, after the broker restarts', async (t) => {
    const broker = await startBroker(t);
    const rx = client(t, broker.url);
    const service = '/queue/rpc';
    const inbox = collect(rx.watch('/topic/news'), '/topic/news');
    const served = rx.watch(service).subscribe((request) => {
      rx.publish({ destination: request.headers['reply-to'], body: request.body, headers: { 'correlation-id': request.headers['correlation-id'] } });
    });
    t.after(() => served.unsubscribe());
    const rpc = new RxStompRPC(rx);
    rx.activate();
    for (const round of ['1', '2']) {
      await state(rx, RxStompState.OPEN);
      rx.publish({ destination: '/topic/news', body: round });
      assert.equal((await inbox.next()).body, round);
      const reply = await within(firstValueFrom(rpc.rpc({ destination: service, body: round })), 'a reply');
      assert.equal(reply.body, round);
      await broker.stop();
      await state(rx, RxStompState.CLOSED);
      rx.publish({ destination: '/topic/news', body: `while away ${round}` });
      await broker.launch();
      assert.equal((await inbox.next()).body, `while away ${round}`);
    }
  });
});
