// A page to try a broker. Text from the broker is inserted as textContent, never as HTML.
'use strict';

const mostMessages = 200; // shown at a time
const mostLines = 300; // of the wire log
const longest = 4000; // characters of a body

const $ = (id) => document.getElementById(id);

/** Creates an element with text and children. */
function element(name, { text, children = [], ...properties } = {}) {
  const made = Object.assign(document.createElement(name), properties);
  if (text !== undefined) {
    made.textContent = text;
  }
  made.append(...children);
  return made;
}

let client; // set while a connection exists or is wanted
let count = 0; // number of receipts and subscriptions
const subscriptions = new Map(); // by id: { destination, ack, item }

function show(state, text) {
  $('state').dataset.state = state;
  $('state').textContent = text;
  for (const button of document.querySelectorAll('#subscribe > button, #send > button')) {
    button.disabled = state !== 'on';
  }
  $('connect-button').textContent = state === 'off' ? 'Connect' : 'Disconnect';
  $('url').disabled = $('token').disabled = state !== 'off';
}

function complain(text) {
  $('error').textContent = text;
  $('error').hidden = text === '';
}

// --- Connecting ---

function connect() {
  complain('');
  let failed = false; // after an ERROR; a new attempt would fail again
  const c = new StompJs.Client({
    brokerURL: $('url').value,
    connectHeaders: $('token').value ? { Authorization: `Bearer ${$('token').value}` } : {},
    connectionTimeout: 10_000,
    reconnectDelay: 2000,
    logRawCommunication: true,
    debug: wire,
    onConnect(frame) {
      complain('');
      const user = frame.headers['user-name'] ?? 'anonymous';
      show('on', `connected as ${user}, STOMP ${frame.headers.version}`);
      subscriptions.forEach((_, id) => subscribeNow(id)); // the subscriptions ended with the previous connection
    },
    onStompError(frame) {
      complain(`${frame.headers.message}: ${frame.body}`);
      const { subscription } = frame.headers;
      if (subscriptions.has(subscription)) {
        forget(subscription); // it was refused or has ended; the connection may continue
      } else {
        failed = true;
      }
    },
    onWebSocketClose(event) {
      expire();
      if (c !== client) {
        return; // closed on purpose
      }
      if (failed) {
        disconnect();
        return;
      }
      show('wait', 'not connected, trying again …');
      complain(`The connection has ended (${event.code}). Is the broker running, and is the URL right?`);
    },
  });
  client = c;
  show('wait', 'connecting …');
  c.activate();
}

function disconnect() {
  const c = client;
  client = undefined;
  show('off', 'not connected');
  c.deactivate();
}

// --- Subscribing ---

function subscribe(destination, ack) {
  const id = `page-${count++}`;
  const end = element('button', { type: 'button', text: 'Unsubscribe', ariaLabel: `Unsubscribe from ${destination}` });
  const item = element('li', { children: [element('span', { text: ack === 'auto' ? destination : `${destination} (${ack})` }), end] });
  end.addEventListener('click', () => unsubscribe(id));
  subscriptions.set(id, { destination, ack, item });
  $('subscriptions').append(item);
  subscribeNow(id);
}

function subscribeNow(id) {
  const { destination, ack } = subscriptions.get(id);
  client.subscribe(destination, (message) => received(message, ack), { id, ack });
}

function unsubscribe(id) {
  if (client?.connected) {
    client.unsubscribe(id);
  }
  forget(id);
}

function forget(id) {
  subscriptions.get(id).item.remove();
  subscriptions.delete(id);
}

// --- Messages ---

function received(message, ack) {
  $('nothing').hidden = true;
  const { headers } = message;
  const body = message.body.length > longest ? `${message.body.slice(0, longest)} … (${message.body.length} characters)` : message.body;
  const again = headers.redelivered === 'true' ? `, delivery ${headers['delivery-count']}` : '';
  const item = element('li', {
    children: [
      element('div', { className: 'from', text: `${new Date().toLocaleTimeString()} ${headers.destination}${again}` }),
      element('pre', { text: body }),
    ],
  });
  if (ack !== 'auto') {
    item.append(answers(message));
  }
  const list = element('dl');
  for (const [name, value] of Object.entries(headers)) {
    list.append(element('dt', { text: name }), element('dd', { text: value }));
  }
  item.append(element('details', { children: [element('summary', { text: 'Headers' }), list] }));
  $('messages').prepend(item);
  while ($('messages').children.length > mostMessages) {
    $('messages').lastChild.remove();
  }
}

/** Buttons for ACK and NACK, which report when the broker has handled them. */
function answers(message) {
  const said = element('span', { className: 'from' });
  const buttons = ['Ack', 'Nack'].map((text) => {
    const button = element('button', { type: 'button', text, className: 'answer' });
    button.addEventListener('click', () => {
      buttons.forEach((b) => (b.disabled = true));
      const receipt = `page-${count++}`;
      client.watchForReceipt(receipt, () => (said.textContent = text === 'Ack' ? 'acknowledged' : 'refused; it is delivered again, or dead'));
      message[text.toLowerCase()]({ receipt });
    });
    return button;
  });
  return element('div', { className: 'answers', children: [...buttons, said] });
}

/** Marks messages that were not acknowledged when the connection ended; they are back in their queue. */
function expire() {
  for (const button of document.querySelectorAll('.answer')) {
    button.disabled = true;
  }
}

function send(destination, body) {
  const receipt = `page-${count++}`;
  $('sent').textContent = 'sending …';
  client.watchForReceipt(receipt, () => ($('sent').textContent = `The broker has it: ${destination}, ${new Date().toLocaleTimeString()}.`));
  client.publish({ destination, body, headers: { receipt, 'content-type': 'text/plain;charset=utf-8' } });
}

// --- The wire log ---

const wireLines = [];

function wire(line) {
  const shown = line.replace(/^(Authorization|passcode):.*$/gim, '$1:…').replaceAll('\0', '␀');
  wireLines.push(shown.length > longest ? `${shown.slice(0, longest)} …` : shown);
  wireLines.splice(0, wireLines.length - mostLines);
  if ($('wire').parentElement.open) {
    $('wire').textContent = wireLines.join('\n');
  }
}

// --- The page ---

function onSubmit(id, action) {
  $(id).addEventListener('submit', (event) => {
    event.preventDefault();
    action();
  });
}

onSubmit('connect', () => (client ? disconnect() : connect()));
onSubmit('subscribe', () => subscribe($('subscribe-destination').value, $('ack').value));
onSubmit('send', () => send($('send-destination').value, $('body').value));
$('clear').addEventListener('click', () => {
  $('messages').replaceChildren();
  $('nothing').hidden = false;
});
$('wire').parentElement.addEventListener('toggle', () => ($('wire').textContent = wireLines.join('\n')));
$('url').value = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${document.body.dataset.path}`;
show('off', 'not connected');
