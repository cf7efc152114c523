// What the page with SockJS has beyond page.js.
'use strict';

/**
 * Connects with SockJS and gives what connectPage gives. Without transports it
 * takes what it finds best. Each may take its time to connect: else
 * sockjs-client goes by the time that /info took, and on a busy machine leaves
 * one that is there for another, or gives up after the last one. The time is
 * shorter than the test's patience.
 */
function connectSockJS(url, transports, options, destinations) {
  return connectPage(undefined, {
    ...options,
    webSocketFactory: () => new SockJS(url, null, { transports, timeout: 15_000 }),
  }, destinations);
}

/** The transport that is used. */
function sockJSTransport() {
  return client.webSocket.transport;
}
