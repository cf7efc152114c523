// nginx and HAProxy with a short time limit for silent connections: heart-beats keep idle connections open, and
// others end and reconnect.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { proxies, Stream, suiteBehind, clientAddress } from './lib/proxy.js';
import { within } from './lib/wait.js';

// In ms. Broker and client tolerate silence of 2 and 3 intervals, for busy machines.
const idle = 3000;
const beat = 1000;
const beats = (4 * idle) / beat; // each comes after 8/10 of the interval: together 3 times the limit

describe('silence', { concurrency: proxies.length }, () => {
  for (const Kind of proxies) {
    describe(`behind ${Kind.title}`, { skip: Kind.skip, concurrency: true }, () => {
      const suite = suiteBehind(Kind, { 'heartbeat-min': '100ms' }, { idle: `${idle / 1000}s` });
      const open = (t, outgoing, incoming, options) => suite.proxy.connect(t, suite.proxy.url('wss', '/broker'), {
        from: clientAddress(), heartbeatOutgoing: outgoing, heartbeatIncoming: incoming, heartbeatToleranceMultiplier: 3, ...options,
      });

      test('heart-beats in both directions keep a WebSocket open', async (t) => {
        const c = await open(t, beat, beat);
        const start = Date.now();
        await c.heartBeats.take(beats, 8 * idle);
        assert.ok(Date.now() - start > 2.5 * idle);
        assert.equal(c.closed.size + c.heartBeatsLost, 0, c.story());
        await c.fence();
      });

      test('the broker’s heart-beats alone keep a WebSocket open', async (t) => {
        const c = await open(t, 0, beat);
        await c.heartBeats.take(beats, 8 * idle);
        assert.equal(c.closed.size, 0, c.story());
        await c.fence();
      });

      test('the client’s heart-beats alone keep a WebSocket open', async (t) => {
        const clock = await open(t, beat, beat);
        const c = await open(t, beat, 0);
        await clock.heartBeats.take(beats, 8 * idle);
        assert.equal(c.closed.size, 0, c.story());
        await c.fence();
      });

      test('without heart-beats a WebSocket ends, and stomp.js reconnects', async (t) => {
        const c = await open(t, 0, 0, { reconnectDelay: 20 });
        assert.equal(c.opened.headers['heart-beat'], '0,0');
        for (let round = 0; round < 2; round++) {
          const start = Date.now();
          assert.equal((await c.closed.next()).code, 1006);
          assert.ok(Date.now() - start > 0.7 * idle);
          await c.connected.next();
        }
        await c.fence();
      });

      for (const [who, headers, own] of [['both', `${beat},${beat}`, beat], ['the broker', `0,${beat}`, 0], ['the client', `${beat},0`, beat]]) {
        test(`heart-beats of ${who} keep a TCP connection open`, async (t) => {
          const clock = await open(t, beat, beat);
          const c = await Stream.connect(t, suite.proxy, { from: clientAddress(), headers: { 'heart-beat': headers } });
          if (own) {
            c.beat(own);
          }
          await clock.heartBeats.take(beats, 8 * idle);
          c.send('SEND', { destination: '/topic/x', receipt: 'alive' });
          await c.next('RECEIPT');
          assert.equal(c.heartBeats > 0, headers !== `${beat},0`);
        });
      }

      test('without heart-beats a TCP connection ends', async (t) => {
        const c = await Stream.connect(t, suite.proxy, { from: clientAddress(), headers: { 'heart-beat': '0,0' } });
        const start = Date.now();
        await within(c.closed, 'the end of the connection');
        assert.ok(Date.now() - start > 0.7 * idle);
        await Stream.connect(t, suite.proxy, { from: clientAddress() });
      });

      test('the broker disconnects a client that misses heart-beats before the proxy does', async (t) => {
        const c = await open(t, 0, 0);
        const silent = await Stream.connect(t, suite.proxy, { from: clientAddress(), headers: { 'heart-beat': '200,0' } });
        assert.equal((await silent.next('ERROR')).headers.message, 'heart-beat-timeout');
        await within(silent.closed, 'the end of the connection');
        assert.equal(c.closed.size, 0, c.story());
      });
    });
  }
});
