// sockjs-client 1.6 with @stomp/stompjs in Node: heart-beats, and reconnecting after missing ones. These tests have
// their own file, and therefore their own process: a busy one sends heart-beats late, and reads the broker's late.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { startBroker, suiteBroker } from './lib/broker.js';
import { connectSockJS, transports } from './lib/sockjs.js';
import { Inbox } from './lib/wait.js';

describe('sockjs-client in Node', { concurrency: true }, () => {
  const suite = suiteBroker();

  for (const transport of transports) {
    test(`by ${transport}: heart-beats in both directions`, async (t) => {
      const c = await connectSockJS(t, suite.url, transport, { heartbeatIncoming: 2000, heartbeatOutgoing: 2000 });
      for (let i = 0; i < 3; i++) { // longer than the broker tolerates silence
        await c.heartBeats.next();
      }
      await c.fence();
      assert.equal(c.heartBeatsLost, 0);
      assert.equal(c.errors.size, 0);
    });

    test(`by ${transport}: reconnects after a restart and after a crash of the broker`, async (t) => {
      const broker = await startBroker(t);
      const inbox = new Inbox('a MESSAGE from /topic/news');
      const c = await connectSockJS(t, broker.url, transport, {
        reconnectDelay: 50,
        // In Node, sockjs-client does not notice a broken stream.
        heartbeatIncoming: 1500,
        onConnect: (client) => client.subscribe('/topic/news', (m) => inbox.put(m.body)),
      });
      for (const end of ['restart', 'crash', undefined]) {
        await c.sendWithReceipt('/topic/news', String(end));
        assert.equal(await inbox.next(), String(end));
        if (end) {
          c.closed.drain();
          await broker[end]();
          const close = await c.closed.next();
          assert.ok(end === 'crash' || close.code === 1001, `closed with ${close.code}`);
          await c.connected.next();
        }
      }
    });
  }
});
