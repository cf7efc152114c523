// A WebSocket without a STOMP client: tests send and receive frames.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { get } from 'node:http';

import WebSocket from 'ws';

import { atEnd } from './cleanup.js';
import { frame, parseFrame } from './wire.js';
import { unique } from './stompjs.js';
import { Inbox, within } from './wait.js';

/** A WebSocket. Its messages are queued in an inbox, as { data, isBinary }. */
export class Socket {
  messages = new Inbox('a WebSocket message', () => this.#end);
  pongs = new Inbox('a pong', () => this.#end);
  #end = '';

  constructor(url, protocols, options) {
    this.ws = new WebSocket(url, protocols, { perMessageDeflate: false, ...options });
    this.ws.on('message', (data, isBinary) => this.messages.put({ data, isBinary }));
    this.ws.on('pong', (data) => this.pongs.put(data.toString()));
    this.ws.on('error', () => {}); // a close follows
    this.closed = once(this.ws, 'close').then(([code, reason]) => {
      this.#end = ` (the connection: closed with ${code} ${reason})`;
      return { code, reason: reason.toString() };
    });
  }

  /** Opens a WebSocket that ends with the test. */
  static async open(t, url, protocols, options) {
    const s = new Socket(url, protocols, options);
    atEnd(t, () => s.ws.terminate());
    await within(once(s.ws, 'open'), 'the WebSocket opens');
    return s;
  }

  /** Opens a WebSocket and sends CONNECT. */
  static async connect(t, url, headers = {}, options = {}) {
    const s = await Socket.open(t, url, ['v12.stomp'], options);
    s.send('CONNECT', { 'accept-version': '1.2', host: 'x', ...headers });
    s.opened = await s.next('CONNECTED');
    return s;
  }

  send(command, headers, body) {
    this.ws.send(frame(command, headers, body).toString());
  }

  /** The next WebSocket message, which must be one frame with this command. */
  async next(command) {
    const { data, isBinary } = await this.messages.next();
    const f = parseFrame(data);
    assert.equal(f.command, command, data.toString('utf8', 0, 400));
    return { ...f, isBinary, text: f.body.toString() };
  }

  async subscribe(destination, headers) {
    this.send('SUBSCRIBE', { id: unique('sub-'), destination, receipt: 'subscribed', ...headers });
    await this.next('RECEIPT');
  }

  /** Asserts that it ends with an ERROR and a close code. */
  async endsWithError(word, code) {
    const error = await this.next('ERROR');
    assert.equal(error.headers.message, word, error.text);
    assert.equal((await within(this.closed, 'the end of the connection')).code, code);
    assert.equal(this.messages.size, 0, 'nothing follows an ERROR');
    return error;
  }
}

/** Tries to open a WebSocket, and returns the HTTP status of the refusal, or 101. */
export async function handshakeStatus(url, options) {
  const ws = new WebSocket(url, [], options);
  const answer = new Promise((resolve, reject) => {
    ws.on('open', () => resolve(101));
    ws.on('unexpected-response', (_, response) => resolve(response.statusCode));
    ws.on('error', reject);
  });
  try {
    return await within(answer, 'the answer to a handshake');
  } finally {
    ws.terminate();
  }
}

/** A handshake over plain HTTP that accepts any response. */
export async function rawHandshake(url, headers) {
  const request = get(String(url).replace('ws:', 'http:'), {
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': randomBytes(16).toString('base64'),
      ...headers,
    },
  });
  const answer = new Promise((resolve, reject) => {
    request.on('upgrade', resolve).on('response', resolve).on('error', reject);
  });
  try {
    const { statusCode, headers } = await within(answer, 'the answer to a handshake');
    return { status: statusCode, headers };
  } finally {
    request.socket?.destroy();
  }
}
