// The page of the tests in Chromium: one client, and functions for the tests. Each returns a promise of a JSON value.
'use strict';

let client;
const events = []; // ERRORs and ends of connections
const inboxes = new Map(); // by destination: { messages, waiting }

function log(text) {
  const item = document.createElement('li');
  item.textContent = text.length > 160 ? `${text.slice(0, 160)}… (${text.length} characters)` : text;
  document.querySelector('#log').append(item);
}

function show(state) {
  document.querySelector('#state').textContent = state;
  log(state);
}

/** Connects; resolves to the headers of CONNECTED, or to the failure. */
function connectPage(url, options, destinations = []) {
  return new Promise((resolve) => {
    client = new StompJs.Client({
      brokerURL: url,
      reconnectDelay: 0,
      ...options,
      onConnect(frame) {
        show(`connected with STOMP ${frame.headers.version} to ${frame.headers.server}`);
        destinations.forEach((destination) => subscribePage(destination));
        events.push({ connected: true });
        resolve(frame.headers);
      },
      onStompError(frame) {
        log(`ERROR ${frame.headers.message}: ${frame.body}`);
        events.push({ error: frame.headers.message, body: frame.body });
      },
      onWebSocketClose(event) {
        show(`closed with ${event.code}`);
        events.push({ closed: event.code, clean: event.wasClean });
        resolve({ failed: event.code });
      },
    });
    client.activate();
  });
}

/** The same, with a token from the test's nextToken for each attempt. */
function connectWithTokens(url, options, destinations) {
  return connectPage(url, {
    ...options,
    async beforeConnect(c) {
      c.connectHeaders = { Authorization: `Bearer ${await nextToken()}` };
    },
  }, destinations);
}

/** Performs an action with a receipt header, and waits for the RECEIPT. */
function withReceipt(action) {
  const receipt = crypto.randomUUID();
  return new Promise((resolve) => {
    client.watchForReceipt(receipt, () => resolve());
    action({ receipt });
  });
}

function subscribePage(destination, headers = {}) {
  const inbox = { messages: [], waiting: [] };
  inboxes.set(destination, inbox);
  return withReceipt((receipt) => client.subscribe(destination, (message) => {
    log(`MESSAGE from ${message.headers.destination}: ${message.body}`);
    const next = inbox.waiting.shift();
    if (next) {
      next(message);
    } else {
      inbox.messages.push(message);
    }
  }, { ...headers, ...receipt }));
}

/** Waits until the broker has handled everything so far. */
async function fencePage() {
  const topic = `/topic/fence.${crypto.randomUUID()}`;
  await subscribePage(topic);
  client.publish({ destination: topic });
  await receive(topic);
}

/** The next message of a subscription. */
function receive(destination) {
  const inbox = inboxes.get(destination);
  if (inbox.messages.length > 0) {
    return Promise.resolve(inbox.messages.shift());
  }
  return new Promise((resolve) => inbox.waiting.push(resolve));
}

async function receiveText(destination) {
  const { headers, body } = await receive(destination);
  return { headers, body };
}

async function receiveBytes(destination) {
  const { headers, binaryBody } = await receive(destination);
  return { headers, bytes: [...binaryBody] };
}

/** Receives one message and answers it with 'ack' or 'nack'. */
async function answer(destination, how) {
  const message = await receive(destination);
  await withReceipt((receipt) => message[how](receipt));
  log(`${how} of ${message.body}`);
  return { headers: message.headers, body: message.body };
}

function send(destination, body, headers) {
  client.publish({ destination, body, headers });
}

function sendWithReceipt(destination, body) {
  return withReceipt((headers) => client.publish({ destination, body, headers }));
}

function sendBytes(destination, bytes, headers) {
  client.publish({ destination, binaryBody: new Uint8Array(bytes), headers });
}

/** Sends a large body and reports whether it came back unchanged. */
async function roundTrip(destination, unit, length) {
  const body = unit.repeat(length / unit.length);
  client.publish({ destination, body });
  const message = await receive(destination);
  return message.body === body && Number(message.headers['content-length']) === new TextEncoder().encode(body).length;
}

async function roundTripBytes(destination, length) {
  const sent = new Uint8Array(length).map((_, i) => (i * 31) >> 3);
  client.publish({ destination, binaryBody: sent });
  const { binaryBody } = await receive(destination);
  return binaryBody.length === length && binaryBody.every((b, i) => b === sent[i]);
}

function deactivate() {
  return client.deactivate();
}
