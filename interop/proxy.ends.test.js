// nginx and HAProxy when something ends: the proxy's configuration, the broker behind it, or one of two brokers.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import { atEnd } from './lib/cleanup.js';
import { HAProxy, proxies, startBeforeTwo, startBehind, startBrokerBehind, Stream, clientAddress, until } from './lib/proxy.js';
import { handshakeStatus, Socket } from './lib/socket.js';
import { unique } from './lib/stompjs.js';
import { within } from './lib/wait.js';

const pace = 5; // ms between two messages of a connection; leaves time for other processes

/** Connections that send to a queue, each message after the RECEIPT of the previous one, and one consumer. */
class Traffic {
  receipts = 0;
  #running = true;

  static async start(t, proxy) {
    const traffic = new Traffic();
    const queue = unique('/queue/traffic.');
    const open = (scheme) => proxy.connect(t, proxy.url(scheme, '/broker'), { from: clientAddress() });
    const streams = await Promise.all([false, true].map((secure) => Stream.connect(t, proxy, { from: clientAddress(), secure })));
    traffic.clients = await Promise.all(['ws', 'wss', 'ws', 'wss'].map(open));
    traffic.consumer = await open('wss');
    traffic.inbox = await traffic.consumer.subscribe(queue);
    const loops = [
      ...traffic.clients.map((c) => (body) => c.sendWithReceipt(queue, body)),
      ...streams.map((s) => async (body) => {
        s.send('SEND', { destination: queue, receipt: body }, body);
        assert.equal((await s.next('RECEIPT')).headers['receipt-id'], body);
      }),
    ].map((send, i) => traffic.#loop(send, i));
    traffic.all = Promise.all(loops);
    traffic.all.catch(() => {}); // reported by more and finish
    atEnd(t, () => (traffic.#running = false));
    return traffic;
  }

  async #loop(send, sender) {
    for (let i = 0; this.#running; i++) {
      await send(`${sender}-${i}`);
      this.receipts++;
      await pause(pace);
    }
  }

  /** Waits for n more receipts. */
  async more(n) {
    const target = this.receipts + n;
    const enough = until(`${n} more receipts`, () => this.receipts >= target);
    await Promise.race([enough, this.all]); // all fails if one of the senders does
  }

  /** Stops sending. Every message with a receipt must have arrived exactly once. */
  async finish() {
    this.#running = false;
    await this.all;
    const came = (await this.inbox.take(this.receipts)).map((m) => m.body);
    assert.equal(new Set(came).size, this.receipts);
    await this.consumer.fence();
    assert.equal(this.inbox.size, 0, 'nothing came twice');
    for (const c of [...this.clients, this.consumer]) {
      assert.equal(c.closed.size, 0, c.story());
    }
  }
}

/** A visible change of the configuration: another prefix. */
const changed = { nginx: [['/broker/ws', '/new/ws']], HAProxy: [['^/broker(', '^/new(']] };

/** The HTTP status while there is no broker. */
const away = { nginx: 502, HAProxy: 503 };

const ends = [1001, 1006];

describe('proxies and ends', { concurrency: 3 }, () => {
  for (const Kind of proxies) {
    const { skip, title } = Kind;

    test(`${title} reloads: open sessions lose nothing, new ones use the new configuration`, { skip }, async (t) => {
      const { proxy } = await startBehind(t, Kind);
      const traffic = await Traffic.start(t, proxy);
      for (let round = 0; round < 3; round++) {
        await traffic.more(200);
        await proxy.reload(round === 2 ? changed[title] : []);
        const c = await proxy.connect(t, proxy.url('wss', round === 2 ? '/new' : '/broker'), { from: clientAddress() });
        await c.fence();
        await Stream.connect(t, proxy, { from: clientAddress(), secure: true });
      }
      assert.equal(await handshakeStatus(proxy.url('ws', '/broker')), 404, 'the old prefix is not there any more');
      await traffic.more(200);
      await traffic.finish();
    });

    test(`${title} reloads: the last sessions are cut off, and reconnect`, { skip }, async (t) => {
      const { proxy } = await startBehind(t, Kind, {}, { linger: '1s' });
      const c = await proxy.connect(t, proxy.url('wss'), { reconnectDelay: 20 });
      await proxy.reload();
      assert.equal((await c.closed.next()).code, 1006);
      await c.connected.next();
      await c.fence();
    });

    test(`the broker behind ${title} restarts: the client notices, and reconnects`, { skip }, async (t) => {
      const { broker, proxy } = await startBehind(t, Kind);
      const c = await proxy.connect(t, proxy.url('wss', '/broker'), { from: clientAddress(), reconnectDelay: 20 });
      const stream = await Stream.connect(t, proxy);
      await broker.stop();
      assert.equal((await c.closed.next()).code, 1001);
      await within(stream.closed, 'the end of the TCP connection');
      assert.equal(await handshakeStatus(proxy.url()), away[title]);
      await broker.launch();
      await c.connected.next();
      await c.fence();
      c.closed.drain(); // attempts while the broker was away
      await broker.crash();
      assert.equal((await c.closed.next()).code, 1006);
      await c.connected.next();
      await c.fence();
      await Stream.connect(t, proxy);
    });

    test(`two brokers behind ${title}: WebSockets go to both, and to the other when one stops`, { skip }, async (t) => {
      const { brokers, proxy } = await startBeforeTwo(t, Kind);
      const from = clientAddress(); // the same for all: the address does not select the broker
      const clients = await Promise.all(Array.from({ length: 16 }, (_, i) =>
        proxy.connect(t, proxy.url(i % 2 ? 'ws' : 'wss'), { from, reconnectDelay: 20 })));
      await Promise.all(clients.map((c) => c.fence()));
      const opened = () => brokers.map((b) => b.log.split('connection opened').length - 1);
      const [one, two] = await until('all connections are logged', () => opened()[0] + opened()[1] === clients.length && opened());
      assert.ok(one > 0 && two > 0, `${one} and ${two}`);
      await brokers[0].stop();
      await until('all are with the other broker', () => opened()[1] === clients.length);
      await Promise.all(clients.map((c) => c.connected.drain() && c.client.connected ? c.fence() : c.connected.next().then(() => c.fence())));
      assert.deepEqual(clients.flatMap((c) => c.closed.drain().map((e) => e.code)).filter((code) => !ends.includes(code)), []);
    });
  }

  test('HAProxy removes a stopping broker while its last client is still connected', { skip: HAProxy.skip }, async (t) => {
    const { brokers, proxy } = await startBeforeTwo(t, HAProxy, { 'limits-drain-timeout': '10s' });
    await Promise.all([proxy.status('b1', 'UP'), proxy.status('b2', 'UP')]);
    // A direct connection that does not answer the close.
    const silent = await Stream.open(t, { ports: { tcp: brokers[0].ports.ws } });
    silent.socket.write('PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\nGET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n');
    await within(new Promise((r) => silent.socket.once('data', r)), 'the upgrade');
    const end = brokers[0].stop(); // waits for that connection
    await proxy.status('b1', 'DOWN');
    assert.match(await proxy.whyDown('b1'), /^Layer7 wrong status, code: 503,/, 'it was told, and did not just find nobody');
    assert.match((await proxy.servers('hoofbeat_tcp'))[0].status, /DOWN/);
    silent.socket.destroy();
    await end;
    for (let i = 0; i < 6; i++) {
      await (await proxy.connect(t, proxy.url('wss'))).fence();
    }
    await brokers[0].launch();
    await proxy.status('b1', 'UP');
  });

  test('HAProxy on another machine, without /readyz', { skip: HAProxy.skip }, async (t) => {
    const { broker, proxy } = await startBehind(t, HAProxy);
    const dropped = ['option httpchk', 'http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host localhost', 'http-check expect status 200'];
    await proxy.reload([[` port ${broker.ports.admin}`, ''], ...dropped.map((line) => [`    ${line}\n`, ''])]);
    await until('it finds the port open', async () => (await proxy.servers())[0].check_status === 'L4OK');
    await (await proxy.connect(t, proxy.url('wss'))).fence();
    await broker.stop();
    await proxy.status('b1', 'DOWN');
    assert.doesNotMatch(broker.log, /level=(WARN|ERROR) msg="(?!everybody|storage|the limit of open files)/, 'checks are not worth a warning');
    await broker.launch();
    await proxy.status('b1', 'UP');
  });

  test('HAProxy sends no clients to a broker that is not ready', { skip: HAProxy.skip }, async (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'hoofbeat-proxy-'));
    atEnd(t, () => rmSync(folder, { recursive: true, force: true }));
    const full = await startBrokerBehind(HAProxy, { 'storage-directory': folder, 'storage-min-free': '1000000GiB' });
    atEnd(t, () => full.signal('SIGKILL')); // it has logged an error about its full disk
    const well = await startBrokerBehind(HAProxy);
    atEnd(t, () => well.stop());
    const proxy = await HAProxy.start([full, well]);
    atEnd(t, () => proxy.stop());
    await proxy.status('b1', 'DOWN');
    for (let i = 0; i < 4; i++) {
      await proxy.connect(t, proxy.url('ws'));
      await Stream.connect(t, proxy);
    }
    assert.deepEqual((await proxy.servers()).map((s) => s.stot), ['0', '4']);
    assert.deepEqual((await proxy.servers('hoofbeat_tcp')).map((s) => s.stot), ['0', '4']);
    const direct = await Socket.open(t, proxy.url('ws'), ['v12.stomp']);
    assert.equal(direct.ws.protocol, 'v12.stomp');
  });
});
