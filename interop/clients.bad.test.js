// Failures, with each JavaScript client: the application can show the error, and then connects again, without a loop.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';

import { RxStomp } from '@stomp/rx-stomp';
import { Client } from '@stomp/stompjs';
import webstomp from 'webstomp-client';
import WebSocket from 'ws';

import { startBroker } from './lib/broker.js';
import { configuration } from './lib/rules.js';
import { sockJS as connectSockJS } from './lib/sockjs.js';
import { unique } from './lib/stompjs.js';
import { inSeconds, token } from './lib/tokens.js';
import { Inbox, within } from './lib/wait.js';

const { Stomp } = createRequire(import.meta.url)('stompjs/lib/stomp.js');
Stomp.WebSocketClass = WebSocket;
Stomp.setInterval = (interval, action) => setInterval(action, interval);
Stomp.clearInterval = (id) => clearInterval(id);

/** The application's view. It reconnects with the next of its tokens, and then calls onConnect. */
class Application {
  connected = new Inbox('CONNECTED', () => this.story());
  errors = new Inbox('ERROR', () => this.story());
  closed = new Inbox('the end of a connection', () => this.story());
  connections = 0;
  /** Whether a connection stays open after a refused subscription. */
  kept = false;
  #story = [];

  constructor(url, tokens, onConnect = () => {}) {
    Object.assign(this, { url, tokens, onConnect });
  }

  story() {
    return ` (${this.#story.slice(-10).join('; ')})`;
  }

  headers() {
    return { Authorization: `Bearer ${this.tokens()}` };
  }

  isConnected(headers) {
    this.connections++;
    this.#story.push('connected');
    this.onConnect(this);
    this.connected.put(headers);
  }

  failed(frame) {
    this.#story.push(`ERROR ${frame.headers.message}`);
    this.errors.put(frame);
  }

  hasClosed(code) {
    this.#story.push(`closed with ${code}`);
    this.closed.put(code);
  }

  /** Subscribes, and sends a message to itself. */
  async works() {
    const topic = unique('/topic/fence.');
    const inbox = new Inbox(`a MESSAGE from ${topic}`, () => this.story());
    this.subscribe(topic, (m) => inbox.put(m.body));
    this.send(topic, 'it works');
    assert.equal(await inbox.next(), 'it works');
  }
}

/** @stomp/stompjs, on WebSocket or on the result of factory. */
class StompJS extends Application {
  options() {
    return { brokerURL: this.url };
  }

  start() {
    this.client = new Client({
      ...this.options(),
      reconnectDelay: 20,
      beforeConnect: (c) => (c.connectHeaders = this.headers()),
      onConnect: (f) => this.isConnected(f.headers),
      onStompError: (f) => this.failed(f),
      onWebSocketClose: (event) => this.hasClosed(event.code),
    });
    this.client.activate();
  }

  subscribe(destination, action) {
    this.client.subscribe(destination, action);
  }

  send(destination, body) {
    this.client.publish({ destination, body });
  }

  stop() {
    return this.client.deactivate();
  }
}

const sockJS = (transport) => class extends StompJS {
  options() {
    return { webSocketFactory: () => connectSockJS(this.url.replace('ws:', 'http:'), transport) };
  }
};

class Rx extends Application {
  start() {
    this.rx = new RxStomp();
    this.rx.configure({
      webSocketFactory: () => this.webSocket(),
      reconnectDelay: 20,
      beforeConnect: (c) => c.configure({ connectHeaders: this.headers() }),
    });
    this.rx.serverHeaders$.subscribe((headers) => this.isConnected(headers));
    this.rx.stompErrors$.subscribe((f) => this.failed(f));
    this.rx.activate();
  }

  /** A WebSocket that records its close code, which this client does not report. */
  webSocket() {
    const ws = new WebSocket(this.url, ['v12.stomp']);
    ws.addEventListener('close', (event) => this.hasClosed(event.code));
    ws.addEventListener('error', () => {}); // a close follows
    return ws;
  }

  subscribe(destination, action) {
    const watching = this.rx.watch(destination).subscribe(action);
    if (!this.kept) {
      // Unsubscribes: otherwise a refused subscription would be repeated with each connection.
      this.rx.stompErrors$.subscribe(() => watching.unsubscribe());
    }
  }

  send(destination, body) {
    this.rx.publish({ destination, body, retryIfDisconnected: false });
  }

  stop() {
    return this.rx.deactivate();
  }
}

/** The two old clients, which have an error callback and leave reconnecting to the application. */
class Old extends Application {
  start() {
    this.client = this.make();
    this.client.ws.addEventListener('close', (event) => {
      this.hasClosed(event.code);
      if (!this.leaving) {
        this.timer = setTimeout(() => this.start(), 20);
      }
    });
    this.client.ws.addEventListener('error', () => {}); // a close follows
    this.client.connect(this.headers(), (f) => this.isConnected(f.headers), (e) => e.command === 'ERROR' && this.failed(e));
  }

  subscribe(destination, action) {
    this.client.subscribe(destination, action, { id: unique('id-') });
  }

  async stop() {
    this.leaving = true;
    clearTimeout(this.timer);
    const { ws } = this.client;
    if (ws.readyState === ws.OPEN) {
      const closed = new Promise((resolve) => ws.addEventListener('close', resolve));
      this.client.disconnect();
      await closed;
    }
    ws.terminate();
  }
}

class Webstomp extends Old {
  make() {
    return webstomp.client(this.url, { debug: false });
  }

  send(destination, body) {
    this.client.send(destination, body);
  }
}

class Stomp2 extends Old {
  make() {
    return Object.assign(Stomp.client(this.url), { debug: null });
  }

  send(destination, body) {
    this.client.send(destination, {}, body);
  }
}

const clients = {
  '@stomp/stompjs': StompJS,
  'SockJS, WebSocket': sockJS(['websocket']),
  'SockJS, xhr-streaming': sockJS(['xhr-streaming']),
  'rx-stomp': Rx,
  'webstomp-client': Webstomp,
  'stompjs 2.3.3': Stomp2,
};

const acl = [{ name: 'open', allow: ['subscribe', 'send'], destinations: ['/topic/fence.*', '/topic/large'] }];
const flags = { 'limits-frame-body-bytes': '64KiB' };

for (const [name, Kind] of Object.entries(clients)) {
  describe(`${name}: failures`, { concurrency: 3 }, () => {
    /** A broker for one test, and an application that has connected to it. */
    async function start(t, { auth, tokens, onConnect, kept = false, expect = true } = {}) {
      const broker = await startBroker(t, flags, configuration({}, auth, acl));
      const good = await token('ada');
      const app = new Kind(broker.url, tokens ?? (() => good), onConnect);
      app.kept = kept;
      app.start();
      t.after(() => within(app.stop(), 'the application leaves'));
      if (expect) {
        await app.connected.next();
      }
      return { app, broker };
    }

    /** Expects an ERROR, the end of the connection, and then a new one that works. */
    async function recovers(app, word, code, ...said) {
      const error = await app.errors.next();
      assert.equal(error.headers.message, word);
      for (const part of said) {
        assert.ok(error.body.includes(part), `${error.body} names ${part}`);
      }
      assert.equal(await app.closed.next(), code);
      await app.connected.next();
      await app.works();
      assert.equal(app.errors.size, 0);
      assert.equal(app.closed.size, 0);
    }

    test('an unknown destination', async (t) => {
      const { app } = await start(t);
      app.send('/nowhere/x', 'body');
      await recovers(app, 'unknown-destination', 1002, '/nowhere/x', '/topic/');
      assert.equal(app.connections, 2);
    });

    test('a refused subscription', async (t) => {
      const { app } = await start(t);
      app.subscribe('/topic/secret', () => {});
      await recovers(app, 'access-denied', 1008, '/topic/secret');
      assert.equal(app.connections, 2);
    });

    test('a subscription refused at each connect is no loop, if the connection is kept', async (t) => {
      const { app } = await start(t, {
        auth: { on_denied_subscribe: 'receipt-error' },
        kept: true,
        onConnect: (a) => a.subscribe('/topic/secret', () => {}),
      });
      const error = await app.errors.next();
      assert.equal(error.headers.message, 'access-denied');
      assert.ok(error.headers.subscription, 'the ERROR names the subscription');
      await app.works();
      assert.equal(app.connections, 1);
      assert.equal(app.closed.size, 0);
    });

    test('an expired token', async (t) => {
      const tokens = [await token('ada', { exp: inSeconds(-60) }), await token('ada')];
      const { app } = await start(t, { tokens: () => tokens.shift(), expect: false });
      await recovers(app, 'authentication-failed', 1008);
      assert.equal(app.connections, 1);
    });

    test('a token that expires during the session', async (t) => {
      const tokens = [await token('ada', { exp: inSeconds(3) }), await token('ada')];
      const { app } = await start(t, { tokens: () => tokens.shift() });
      await recovers(app, 'token-expired', 1008, '/hoofbeat/token');
      assert.equal(app.connections, 2);
    });

    test('a message beyond the limit', async (t) => {
      const { app } = await start(t);
      app.send('/topic/large', 'x'.repeat(65537));
      await recovers(app, 'frame-too-large', 1009, '65536', 'limits.frame_body_bytes');
      assert.equal(app.connections, 2);
    });

    test('a broker that restarts', async (t) => {
      const { app, broker } = await start(t);
      await app.works();
      await broker.restart();
      await app.closed.next();
      await app.connected.next();
      await app.works();
      assert.equal(app.errors.size, 0);
      assert.equal(app.connections, 2);
    });
  });
}
