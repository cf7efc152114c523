import assert from 'node:assert/strict';

import SockJS from 'sockjs-client';

import { connect } from './stompjs.js';
import { patience } from './wait.js';

/** The transports of sockjs-client in Node that the broker supports. */
export const transports = ['websocket', 'xhr-streaming', 'xhr-polling'];

/** The SockJS URL for a WebSocket URL. */
export const http = (url) => url.replace(/^ws/, 'http');

/**
 * A SockJS with these transports, or with the best one. The time limit for connecting is fixed, because
 * sockjs-client derives its own from the duration of /info. On a busy machine that is too short, and sockjs-client
 * then changes to the next transport, or gives up after the last.
 */
export function sockJS(url, transports) {
  return new SockJS(url, null, { transports, timeout: patience });
}

/** Connects @stomp/stompjs with one transport, or with the best one; options are those of @stomp/stompjs. */
export async function connectSockJS(t, url, transport, options) {
  let socket;
  const c = await connect(t, url, {
    webSocketFactory: () => (socket = sockJS(http(url), transport && [transport])),
    ...options,
  });
  assert.equal(socket.transport, transport ?? 'websocket');
  return c;
}
