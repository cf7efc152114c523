// @stomp/stompjs: heart-beats. These tests have their own file, and therefore their own process: a busy client sends
// heart-beats late.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { Versions } from '@stomp/stompjs';

import { startBroker, suiteBroker } from './lib/broker.js';
import { connect, onlyVersion } from './lib/stompjs.js';

describe('stompjs and heart-beats', { concurrency: true }, () => {
  const suite = suiteBroker();

  for (const [outgoing, incoming, granted] of [
    [0, 0, '0,0'],
    [5000, 0, '0,5000'],
    [0, 5000, '5000,0'],
    [10000, 10000, '10000,10000'],
    [2000, 3000, '3000,2000'],
  ]) {
    test(`${outgoing},${incoming}: granted as requested`, async (t) => {
      const c = await connect(t, suite.url, { heartbeatOutgoing: outgoing, heartbeatIncoming: incoming });
      assert.equal(c.opened.headers['heart-beat'], granted);
    });
  }

  test('intervals beyond the bounds', async (t) => {
    const c = await connect(t, suite.url, { heartbeatOutgoing: 10, heartbeatIncoming: 3_600_000 });
    assert.equal(c.opened.headers['heart-beat'], '10000,1000');
    await c.fence();
  });

  test('1.0 has no heart-beats', async (t) => {
    const c = await connect(t, suite.url, { stompVersions: onlyVersion(Versions.V1_0), heartbeatIncoming: 1000, heartbeatOutgoing: 1000 });
    assert.equal(c.opened.headers['heart-beat'], '0,0');
  });

  test('2000,2000 keep an idle connection open', async (t) => {
    const c = await connect(t, suite.url, { heartbeatIncoming: 2000, heartbeatOutgoing: 2000 });
    assert.equal(c.opened.headers['heart-beat'], '2000,2000');
    // Longer than either side tolerates silence.
    const start = Date.now();
    await c.heartBeats.take(4);
    const took = Date.now() - start;
    assert.ok(took > 4000, `4 heart-beats within ${took} ms are too many`);
    assert.equal(c.messagesIn.filter((m) => m !== '\n').length, 1, 'nothing but CONNECTED and heart-beats came');
    assert.equal(c.heartBeatsLost, 0);
    assert.equal(c.closed.size, 0);
    await c.fence();
  });

  test('the client drops a broker that hangs, and reconnects', async (t) => {
    const broker = await startBroker(t);
    const c = await connect(t, broker.url, {
      heartbeatIncoming: 1500, heartbeatOutgoing: 0, reconnectDelay: 50, discardWebsocketOnCommFailure: true,
    });
    await c.heartBeats.take(1);
    assert.equal(c.heartBeatsLost, 0);
    broker.signal('SIGSTOP');
    await c.closed.next();
    assert.equal(c.heartBeatsLost, 1, `lost heart-beats${c.story()}`);
    broker.signal('SIGCONT');
    await c.connected.next();
    await c.fence();
  });

  test('a suspended broker keeps the clients that went on sending heart-beats', async (t) => {
    const broker = await startBroker(t);
    const clients = [];
    for (let i = 0; i < 10; i++) {
      clients.push(await connect(t, broker.url, { heartbeatIncoming: 0, heartbeatOutgoing: 1000 }));
    }
    const clock = await connect(t, suite.url, { heartbeatIncoming: 1000, heartbeatOutgoing: 0 });
    for (let round = 0; round < 3; round++) {
      broker.signal('SIGSTOP');
      await clock.heartBeats.take(4); // 3.2 s; it tolerates 2 s of silence
      broker.signal('SIGCONT');
      await Promise.all(clients.map((c) => c.fence()));
    }
    assert.deepEqual(clients.map((c) => c.errors.size), clients.map(() => 0));
  });
});
