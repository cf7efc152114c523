// @stomp/stompjs in Node, with promises.
import assert from 'node:assert/strict';

import { Client, Versions } from '@stomp/stompjs';
import WebSocket from 'ws';

import { atEnd } from './cleanup.js';
import { assertOneFrame } from './wire.js';
import { Inbox, patience, within } from './wait.js';

// The clients expect WebSocket as a global, as in browsers. Newer versions of Node have one; using the same
// everywhere makes results comparable.
globalThis.WebSocket = WebSocket;

let count = 0;

/** A name that no other test uses. */
export function unique(prefix) {
  count++;
  return `${prefix}${process.pid}-${count}`;
}

export function onlyVersion(version) {
  return new Versions([version]);
}

/** A client. The arguments of its callbacks are queued in inboxes. */
export class Connection {
  connected = this.inbox('CONNECTED');
  errors = this.inbox('ERROR');
  closed = this.inbox('the end of the connection');
  disconnected = this.inbox('the RECEIPT of DISCONNECT');
  unhandledMessages = this.inbox('a MESSAGE without a subscription');
  heartBeats = this.inbox('a heart-beat');
  heartBeatsLost = 0;
  /** WebSocket messages received, as text. */
  messagesIn = [];
  /** WebSocket messages sent, as text. */
  messagesOut = [];
  #dataCame = false;
  #story = [];

  constructor(url, options = {}) {
    const { onConnect, ...others } = options;
    this.client = new Client({
      brokerURL: url,
      reconnectDelay: 0,
      connectionTimeout: patience,
      logRawCommunication: true,
      debug: (line) => this.#record(line),
      onConnect: (f) => {
        onConnect?.(this.client);
        this.connected.put(f);
      },
      onStompError: (f) => {
        this.#story.push(`ERROR ${f.headers.message}: ${f.body}`);
        this.errors.put(f);
      },
      onWebSocketClose: (event) => {
        this.#story.push(`closed with ${event.code} ${event.reason}`);
        this.closed.put(event);
      },
      onDisconnect: (f) => this.disconnected.put(f),
      onUnhandledMessage: (m) => this.unhandledMessages.put(m),
      onHeartbeatReceived: () => this.heartBeats.put(),
      onHeartbeatLost: () => {
        this.#story.push('no heart-beats came');
        this.heartBeatsLost++;
      },
      ...others,
    });
  }

  /** An inbox whose timeout message includes the events of the connection. */
  inbox(what) {
    return new Inbox(what, () => this.story());
  }

  /** The events of the connection, for error messages; '' if there were none. */
  story() {
    return this.#story.length > 0 ? ` (the connection: ${this.#story.join('; ')})` : '';
  }

  // With logRawCommunication, the client logs a line before each WebSocket message, and then the message.
  #record(line) {
    if (this.#dataCame) {
      this.messagesIn.push(line.slice('<<< '.length));
    } else if (line.startsWith('>>> ')) {
      this.messagesOut.push(line.slice('>>> '.length));
    }
    this.#dataCame = line === 'Received data';
  }

  /** Received frames with a command, as text. */
  framesIn(command) {
    return this.messagesIn.filter((m) => m.startsWith(`${command}\n`));
  }

  send(destination, body, headers) {
    this.client.publish({ destination, body, headers });
  }

  sendBinary(destination, binaryBody, headers) {
    this.client.publish({ destination, binaryBody, headers });
  }

  /** Performs an action with a receipt header, and waits for the RECEIPT. */
  async receipt(action, ms = patience) {
    const id = unique('receipt-');
    const came = this.inbox(`RECEIPT ${id}`);
    this.client.watchForReceipt(id, (f) => came.put(f));
    action({ receipt: id });
    return came.next(ms);
  }

  sendWithReceipt(destination, body, headers) {
    return this.receipt((r) => this.send(destination, body, { ...headers, ...r }));
  }

  /** Subscribes and waits for the RECEIPT. Messages are queued in the returned inbox. */
  async subscribe(destination, headers) {
    const inbox = this.inbox(`a MESSAGE from ${destination}`);
    await this.receipt((r) => {
      const subscription = this.client.subscribe(destination, (m) => inbox.put(m), { ...headers, ...r });
      inbox.id = subscription.id;
      inbox.unsubscribe = (h) => subscription.unsubscribe(h);
    });
    return inbox;
  }

  /**
   * Sends a message to itself and waits for it. Everything that the broker wrote to this client before has then
   * been received.
   */
  async fence() {
    const topic = unique('/topic/fence.');
    const inbox = await this.subscribe(topic);
    this.send(topic, '');
    await inbox.next();
    await this.receipt((r) => inbox.unsubscribe(r));
  }

  /** Disconnects, and checks everything received. */
  async end() {
    await within(this.client.deactivate(), 'deactivate').catch(async (error) => {
      await this.client.deactivate({ force: true });
      throw error;
    });
    for (const message of this.messagesIn) {
      assertOneFrame(message);
    }
  }
}

/** Makes a client that ends with the test, and waits until it is connected. */
export async function connect(t, url, options) {
  const c = new Connection(url, options);
  atEnd(t, () => c.end());
  c.client.activate();
  c.opened = await c.connected.next();
  return c;
}

/** Asserts that a connection ends with an ERROR and a close code, and returns the ERROR. */
export async function endsWithError(c, word, code) {
  const error = await c.errors.next();
  assert.equal(error.headers.message, word);
  assert.equal(error.headers['content-type'], 'text/plain');
  assert.ok(error.headers.version, 'ERROR has a version header');
  assert.ok(error.body.length > 0, 'ERROR has a body');
  const close = await c.closed.next();
  assert.equal(close.code, code, `close code after ${word}`);
  return error;
}

/**
 * The close codes after DISCONNECT: 1005 (none) if the client closes the WebSocket on the RECEIPT, as stomp.js
 * does; 1000 if the broker is first.
 */
export const leaving = [1005, 1000];

/** Asserts the events of a page that has connected and disconnected. */
export function assertLeft([connected, closed, ...more]) {
  assert.deepEqual(connected, { connected: true });
  assert.ok(leaving.includes(closed?.closed) && closed.clean, `closed with ${JSON.stringify(closed)}`);
  assert.deepEqual(more, []);
}
