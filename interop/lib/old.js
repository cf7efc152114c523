// The common part of webstomp-client and stompjs 2.3.3: callbacks instead of promises, and their own WebSocket.
import { once } from 'node:events';

import { assertOneFrame } from './wire.js';
import { unique } from './stompjs.js';
import { Inbox, within } from './wait.js';

/** A connected client of either kind. */
export class OldConnection {
  /** The arguments of the error callback: ERRORs, and finally the end of the connection. */
  errors = this.inbox('a call of the error callback');
  receipts = this.inbox('RECEIPT');
  heartBeats = this.inbox('a heart-beat');
  messagesIn = [];

  #end = '';

  constructor(client) {
    this.client = client;
    this.closed = once(client.ws, 'close').then(([code, reason]) => {
      this.#end = ` (the connection: closed with ${code} ${reason})`;
      return code;
    });
    client.onreceipt = (f) => this.receipts.put(f.headers['receipt-id']);
    client.ws.on('message', (data, isBinary) => {
      this.messagesIn.push({ text: data.toString(), isBinary });
      if (data.toString() === '\n') {
        this.heartBeats.put();
      }
    });
  }

  /** An inbox whose timeout message includes the events of the connection. */
  inbox(what) {
    return new Inbox(what, () => this.#end);
  }

  async connect(headers = {}) {
    const connected = new Promise((resolve) => {
      this.client.connect(headers, resolve, (e) => this.errors.put(e));
    });
    this.opened = await within(connected, 'CONNECTED');
  }

  /** The send methods of the two clients differ: see the subclasses. */

  subscribe(destination, headers = {}) {
    const inbox = this.inbox(`a MESSAGE from ${destination}`);
    // webstomp-client makes ids of the time and a random number, which may collide.
    const subscription = this.client.subscribe(destination, (m) => inbox.put(m), { id: unique('id-'), ...headers });
    return Object.assign(inbox, { id: subscription.id, unsubscribe: () => subscription.unsubscribe() });
  }

  /** Waits until the broker has handled everything so far. */
  async fence() {
    const topic = unique('/topic/fence.');
    const inbox = this.subscribe(topic);
    this.send(topic, 'fence');
    await inbox.next();
    inbox.unsubscribe();
  }

  /** Disconnects, and checks everything received. */
  async end() {
    const { ws } = this.client;
    if (ws.readyState === ws.OPEN) {
      this.client.disconnect();
    }
    try {
      await within(this.closed, 'the end of the connection');
    } finally {
      ws.terminate();
    }
    for (const { text } of this.messagesIn) {
      assertOneFrame(text);
    }
  }
}
