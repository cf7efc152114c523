// The console's own STOMP client: one connection, which stays while other pages
// of the console are looked at.
import { pulse } from './pulse.js';
import { Store } from './store.js';

const mostMessages = 100;
const mostFrames = 300;
const longestFrame = 4000; // characters that the log keeps of one

/**
 * state is 'off', 'connecting' or 'on'; subscriptions by their ids; messages
 * and frames, newest first; problem, what was last complained of, as Problem shows it.
 */
export const client = new Store({ state: 'off', subscriptions: [], messages: [], frames: [], dropped: 0, problem: undefined, note: '' });

let stomp;
let numbers = 0;

/** The URL of the STOMP endpoint, on the listener that this page comes from. */
export function endpoint() {
  const path = pulse.value.now?.stomp_path;
  return path && new URL(path, location.href.replace(/^http/, 'ws')).href.split('#')[0];
}

/** Connects with headers of CONNECT. */
export async function connect(headers) {
  client.set({ state: 'connecting', problem: undefined, note: '' });
  try {
    await import('../vendor/stomp.umd.min.js'); // sets StompJs
  } catch (error) {
    client.set({ state: 'off', problem: { message: `stomp.js could not be loaded: ${error.message}` } });
    return;
  }
  const own = new globalThis.StompJs.Client({
    brokerURL: endpoint(), connectHeaders: headers, reconnectDelay: 0, connectionTimeout: 10_000, logRawCommunication: true,
    debug: (line) => own === stomp && record(line),
    onConnect: ({ headers: h }) => client.set({ state: 'on', version: h.version, session: h.session, user: h['user-name'], problem: undefined }),
    onStompError: ({ headers: h, body }) => refused(h, body),
    onWebSocketClose: (event) => own === stomp && ended(event),
  });
  stomp = own;
  own.activate();
}

export function disconnect() {
  client.set({ note: 'Disconnected.', problem: undefined });
  stomp?.deactivate();
}

/** An ERROR: of a subscription, after which the connection may go on, or of the whole connection. */
function refused(headers, body) {
  client.set({
    problem: { title: 'Refused', word: headers.message, message: body },
    subscriptions: client.value.subscriptions.filter((s) => s.id !== headers.subscription),
  });
}

function ended({ code, reason }) {
  const { problem, note, messages } = client.value;
  client.set({
    state: 'off', subscriptions: [],
    problem: problem || note ? problem : { title: 'Ended', message: `the connection was closed (${code}${reason ? `, ${reason}` : ''})` },
    messages: messages.map((m) => (m.open ? { ...m, open: false, answer: 'not acknowledged before the connection ended' } : m)),
  });
}

export function subscribe(destination, ack, headers) {
  const id = `console-${++numbers}`;
  stomp.subscribe(destination, (m) => received(m, ack), { ...headers, id, ack });
  client.set({ problem: undefined, subscriptions: [...client.value.subscriptions, { id, destination, ack, headers }] });
}

export function unsubscribe({ id, headers }) {
  stomp.unsubscribe(id, headers);
  client.set({ subscriptions: client.value.subscriptions.filter((s) => s.id !== id) });
}

/** Sends, and calls back when the broker has it. */
export function send(destination, body, headers, done) {
  const receipt = `console-${++numbers}`;
  stomp.watchForReceipt(receipt, done);
  stomp.publish({ destination, body, headers: { ...headers, receipt } });
}

function received(frame, ack) {
  const message = {
    key: ++numbers, at: Date.now(), headers: Object.entries(frame.headers).map(([name, value]) => ({ name, value })),
    destination: frame.headers.destination, again: frame.headers.redelivered === 'true' && frame.headers['delivery-count'], ...readBody(frame.binaryBody), frame, open: ack !== 'auto', ack,
  };
  client.set({ messages: [message, ...client.value.messages].slice(0, mostMessages) });
}

/** A body as text, or as base64 if it is none. */
function readBody(bytes) {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), size: bytes.length };
  } catch {
    let binary = '';
    for (const b of bytes.subarray(0, 64 << 10)) {
      binary += String.fromCharCode(b);
    }
    return { base64: btoa(binary), size: bytes.length };
  }
}

/** Answers a message by 'ack' or 'nack'. */
export function answer(message, how) {
  const receipt = `console-${++numbers}`;
  const change = (to) => client.set({ messages: client.value.messages.map((m) => (m.key === message.key ? { ...m, ...to } : m)) });
  stomp.watchForReceipt(receipt, () => change({ answer: how === 'ack' ? 'acknowledged' : 'refused: it comes again, or is dead' }));
  change({ open: false, answer: '…' });
  message.frame[how]({ receipt });
}

export function clear(what) {
  client.set(what === 'frames' ? { frames: [], dropped: 0 } : { messages: [] });
}

/** Keeps a frame, without what proves who somebody is. */
function record(line) {
  const found = /^(>>>|<<<) ([\s\S]*)$/.exec(line);
  if (!found) {
    return;
  }
  const text = found[2].replace(/^(authorization|passcode|access_token):.*$/gim, '$1:…').replace(/\0\n*$/, '^@'); // as STOMP's specifications write it
  const beat = text === 'PING' || text === 'PONG'; // stomp.js's words for the line feed that is on the wire
  const frame = { key: ++numbers, at: Date.now(), out: found[1] === '>>>', beat, text: beat ? 'heart-beat' : text.slice(0, longestFrame), left: Math.max(0, text.length - longestFrame) };
  const frames = [frame, ...client.value.frames];
  client.set({ frames: frames.slice(0, mostFrames), dropped: client.value.dropped + Math.max(0, frames.length - mostFrames) });
}
