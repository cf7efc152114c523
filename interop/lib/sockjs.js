import SockJS from 'sockjs-client';

// patience is how long a transport may take to connect, in ms. Without it,
// sockjs-client goes by the time that /info took, which on a busy machine says
// nothing of what comes, and where there is no other transport it gives up.
const patience = 5000;

/** A SockJS by these transports, or by whichever it finds. */
export function sockJS(url, transports) {
  return new SockJS(url, null, transports?.length === 1 ? { transports, timeout: patience } : { transports });
}
