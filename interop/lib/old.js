// What webstomp-client and stompjs 2.3.3 have in common: callbacks instead of
// promises, and a WebSocket made by themselves.
import { once } from 'node:events';

import { assertOneFrame } from './wire.js';
import { unique } from './stompjs.js';
import { Inbox, within } from './wait.js';

/** One client of either kind, connected. */
export class OldConnection {
  /** ERRORs, and then the end of the connection: whatever the error callback is given. */
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

  /** An inbox whose complaint, if nothing comes, tells how the connection fared. */
  inbox(what) {
    return new Inbox(what, () => this.#end);
  }

  async connect(headers = {}) {
    const connected = new Promise((resolve) => {
      this.client.connect(headers, resolve, (e) => this.errors.put(e));
    });
    this.opened = await within(connected, 'CONNECTED');
  }

  /** The send method differs between the two: see their subclasses. */

  subscribe(destination, headers = {}) {
    const inbox = this.inbox(`a MESSAGE from ${destination}`);
    // webstomp-client makes ids of the time and a random number, which can be
    // the same.
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

  /** Ends in good order, and checks everything that ever came. */
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
