// sockjs-client 1.6 with @stomp/stompjs in Node: heart-beats, and coming back by
// them. They have a file, and so a process, of their own: one that is busy with
// other tests beats late, and reads late what the broker beats.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { startBroker, suiteBroker } from './lib/broker.js';
import { connectSockJS, transports } from './lib/sockjs.js';
import { Inbox } from './lib/wait.js';

describe('sockjs-client in Node', { concurrency: true }, () => {
  const suite = suiteBroker();

  for (const transport of transports) {
    test(`by ${transport}: heart-beats of both sides`, async (t) => {
      const c = await connectSockJS(t, suite.url, transport, { heartbeatIncoming: 2000, heartbeatOutgoing: 2000 });
      for (let i = 0; i < 3; i++) { // longer than the broker bears silence
        await c.heartBeats.next();
      }
      await c.fence();
      assert.equal(c.heartBeatsLost, 0);
      assert.equal(c.errors.size, 0);
    });

    test(`by ${transport}: is back after the broker has restarted, and after it has crashed`, async (t) => {
      const broker = await startBroker(t);
      const inbox = new Inbox('a MESSAGE from /topic/news');
      const c = await connectSockJS(t, broker.url, transport, {
        reconnectDelay: 50,
        // In Node, sockjs-client does not see that a stream has broken.
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
