// @stomp/stompjs at the endpoint of a Spring application with a relay. RelayStompJsTest starts it with that URL.
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';

import { Client } from '@stomp/stompjs';
import { WebSocket } from 'ws';

Object.assign(globalThis, { WebSocket });

const events = new EventEmitter();
const limit = { signal: AbortSignal.timeout(20000) };
const client = new Client({ brokerURL: process.argv[2], heartbeatIncoming: 1000, heartbeatOutgoing: 1000, reconnectDelay: 0 });
client.onConnect = (frame) => events.emit('connected', frame);
client.onStompError = (frame) => {
  console.error(frame.headers.message, frame.body);
  process.exit(1);
};

let got = once(events, 'connected', limit);
client.activate();
const [connected] = await got;
assert.equal(connected.headers.version, '1.2');
assert.equal(connected.headers['heart-beat'], '1000,1000');

async function subscribe(destination, headers = {}) {
  const done = once(events, `receipt of ${destination}`, limit);
  client.watchForReceipt(destination, () => events.emit(`receipt of ${destination}`));
  client.subscribe(destination, (message) => events.emit(destination, message), { ...headers, receipt: destination });
  await done;
}

await subscribe('/user/queue/own');
got = once(events, '/user/queue/own', limit);
client.publish({ destination: '/app/whisper', headers: { 'content-type': 'application/json' }, body: '{"text":"stomp.js"}' });
assert.match(JSON.parse((await got)[0].body).text, /^Hello stomp.js, only for /);

await subscribe('/queue/stompjs', { ack: 'client-individual' });
got = once(events, '/queue/stompjs', limit);
// Without this content-type Spring takes the bytes for text on their way back.
client.publish({ destination: '/queue/stompjs', headers: { 'content-type': 'application/octet-stream' }, binaryBody: Uint8Array.of(0, 255, 0) });
const [first] = await got;
assert.deepEqual([...first.binaryBody], [0, 255, 0]);
got = once(events, '/queue/stompjs', limit);
first.nack();
const [again] = await got;
assert.equal(again.headers.redelivered, 'true');
again.ack();

await client.deactivate();
