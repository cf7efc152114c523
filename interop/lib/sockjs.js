import assert from 'node:assert/strict';

import SockJS from 'sockjs-client';

import { connect } from './stompjs.js';
import { patience } from './wait.js';

/** The transports of sockjs-client in Node that the broker has. */
export const transports = ['websocket', 'xhr-streaming', 'xhr-polling'];

/** Where SockJS finds what has this address for a WebSocket. */
export const http = (url) => url.replace(/^ws/, 'http');

/**
 * A SockJS by these transports, or by whichever it finds. Each may take its time to connect: else
 * sockjs-client goes by the time that /info took, which on a busy machine says
 * nothing of what comes, and takes the next transport, or gives up where there is none.
 */
export function sockJS(url, transports) {
  return new SockJS(url, null, { transports, timeout: patience });
}

/** Connects @stomp/stompjs by one transport, or by whichever it finds; more options are those of @stomp/stompjs. */
export async function connectSockJS(t, url, transport, options) {
  let socket;
  const c = await connect(t, url, {
    webSocketFactory: () => (socket = sockJS(http(url), transport && [transport])),
    ...options,
  });
  assert.equal(socket.transport, transport ?? 'websocket');
  return c;
}
