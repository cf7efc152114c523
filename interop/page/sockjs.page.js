// Additions to page.js for SockJS.
'use strict';

/**
 * Connects with SockJS and returns the result of connectPage. Without transports, sockjs-client chooses. The time
 * limit for connecting is fixed, because sockjs-client derives its own from the duration of /info: on a busy
 * machine it would drop a working transport, or give up after the last. The limit is shorter than the test's
 * patience.
 */
function connectSockJS(url, transports, options, destinations) {
  return connectPage(undefined, {
    ...options,
    webSocketFactory: () => new SockJS(url, null, { transports, timeout: 15_000 }),
  }, destinations);
}

/** The transport in use. */
function sockJSTransport() {
  return client.webSocket.transport;
}
