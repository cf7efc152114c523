// What the page with SockJS has beyond page.js.
'use strict';

/**
 * Connects with SockJS and gives what connectPage gives. Without transports it
 * takes what it finds best.
 */
function connectSockJS(url, transports, options, destinations) {
  return connectPage(undefined, {
    ...options,
    webSocketFactory: () => new SockJS(url, null, transports?.length === 1 ? { transports, timeout: 5000 } : { transports }),
  }, destinations);
}

/** The transport that is used. */
function sockJSTransport() {
  return client.webSocket.transport;
}
