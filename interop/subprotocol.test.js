// STOMP over WebSocket without a STOMP client: the handshake, the messages and the end, byte by byte.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';

import { startBroker, suiteBroker } from './lib/broker.js';
import { Socket, handshakeStatus, rawHandshake } from './lib/socket.js';
import { unique } from './lib/stompjs.js';
import { within } from './lib/wait.js';
import { frame, parseFrame } from './lib/wire.js';

const mebibyte = 1 << 20;

describe('the handshake', { concurrency: 4 }, () => {
  const suite = suiteBroker();

  for (const [offered, chosen, version] of [
    [['v10.stomp', 'v11.stomp', 'v12.stomp'], 'v12.stomp', '1.2'],
    [['v12.stomp', 'v11.stomp', 'v10.stomp'], 'v12.stomp', '1.2'],
    [['v11.stomp', 'v10.stomp'], 'v11.stomp', '1.1'],
    [['v10.stomp', 'v11.stomp'], 'v11.stomp', '1.1'],
    [['v10.stomp'], 'v10.stomp', '1.0'],
    [['mqtt', 'v10.stomp', 'stomp', 'v11.stomp'], 'v11.stomp', '1.1'],
  ]) {
    test(`offers of ${offered.join(', ')}: ${chosen}`, async (t) => {
      const s = await Socket.open(t, suite.url, offered);
      assert.equal(s.ws.protocol, chosen);
      s.send('CONNECT', { 'accept-version': '1.0,1.1,1.2', host: 'x' });
      assert.equal((await s.next('CONNECTED')).headers.version, version);
    });
  }

  test('no offer: nothing is echoed, and the highest version is chosen', async (t) => {
    const s = await Socket.open(t, suite.url, []);
    assert.equal(s.ws.protocol, '');
    s.send('CONNECT', { 'accept-version': '1.0,1.1,1.2' });
    assert.equal((await s.next('CONNECTED')).headers.version, '1.2');
  });

  test('a subprotocol that accept-version excludes: accept-version wins', async (t) => {
    const s = await Socket.open(t, suite.url, ['v12.stomp']);
    s.send('CONNECT', { 'accept-version': '1.0,1.1', host: 'x' });
    assert.equal((await s.next('CONNECTED')).headers.version, '1.1');
  });

  test('no accept-version: 1.0', async (t) => {
    const s = await Socket.open(t, suite.url, []);
    s.send('CONNECT', {});
    assert.equal((await s.next('CONNECTED')).headers.version, '1.0');
  });

  test('STOMP instead of CONNECT, and unknown headers', async (t) => {
    const s = await Socket.open(t, suite.url, []);
    s.send('STOMP', { 'accept-version': '1.2', 'x-unknown': 'a:b', login: '', passcode: '' });
    assert.equal((await s.next('CONNECTED')).headers.version, '1.2');
  });

  // Like a browser, the ws client fails if its offer is not echoed; other clients accept that, and offer such names.
  test('only unknown offers: accepted, and nothing is echoed', async () => {
    for (const offered of ['stomp', 'wss', 'mqtt, stomp']) {
      const { status, headers } = await rawHandshake(suite.url, { 'sec-websocket-protocol': offered });
      assert.equal(status, 101, offered);
      assert.equal(headers['sec-websocket-protocol'], undefined, offered);
    }
  });

  test('origins: none and the same are accepted, others get 403', async () => {
    const { host, port } = new URL(suite.url);
    assert.equal(await handshakeStatus(suite.url), 101);
    assert.equal(await handshakeStatus(suite.url, { origin: `http://${host}` }), 101);
    for (const origin of [
      'http://elsewhere.example', `http://127.0.0.2:${port}`, 'http://127.0.0.1:1', 'null', `http://${host}.elsewhere.example`,
    ]) {
      assert.equal(await handshakeStatus(suite.url, { origin }), 403, origin);
    }
  });

  test('listed origins are accepted', async (t) => {
    const { url } = await startBroker(t, { 'listen-websocket-origins': 'https://app.example.com,*.example.org' });
    for (const origin of ['https://app.example.com', 'https://a.example.org', 'http://b.example.org']) {
      assert.equal(await handshakeStatus(url, { origin }), 101, origin);
    }
    for (const origin of ['http://app.example.com', 'https://example.org', 'https://a.b.example.org', 'https://example.com']) {
      assert.equal(await handshakeStatus(url, { origin }), 403, origin);
    }
  });

  test('another path gets 404', async () => {
    assert.equal(await handshakeStatus(new URL('/other', suite.url)), 404);
  });
});

describe('messages', { concurrency: 8 }, () => {
  const suite = suiteBroker({
    'heartbeat-min': '50ms', 'limits-frame-body-bytes': '2MiB', 'limits-frame-bytes-before-connect': '16KiB',
  });

  test('text if the frame is valid UTF-8, binary otherwise', async (t) => {
    const s = await Socket.connect(t, suite.url);
    const topic = unique('/topic/opcode.');
    await s.subscribe(topic);
    const bodies = [
      [Buffer.from('aä€😀'), false],
      [Buffer.from([0]), false],
      [Buffer.alloc(0), false],
      [Buffer.from([0xff]), true],
      [Buffer.from([0xc3]), true],
      [Buffer.from([0xed, 0xa0, 0x80]), true], // half of a surrogate pair
      [Buffer.from([0xf4, 0x90, 0x80, 0x80]), true], // beyond the last character
      [Buffer.from([0xc0, 0x80]), true], // a NUL in two bytes
      [Buffer.from('text, sent as binary'), false],
    ];
    for (const [body] of bodies) {
      s.ws.send(frame('SEND', { destination: topic, 'content-length': body.length }, body), { binary: true });
    }
    for (const [body, isBinary] of bodies) {
      const m = await s.next('MESSAGE');
      assert.ok(m.body.equals(body));
      assert.equal(m.isBinary, isBinary, body.toString('hex'));
    }
  });

  test('messages of all sizes at which the WebSocket header changes', async (t) => {
    const s = await Socket.connect(t, suite.url);
    const topic = unique('/topic/sizes.');
    await s.subscribe(topic);
    const around = frame('RECEIPT', { 'receipt-id': '' }).length;
    for (let size = 120; size <= 132; size++) {
      s.send('SEND', { destination: '/topic/x', receipt: 'r'.repeat(size - around) });
      assert.equal((await s.messages.next()).data.length, size);
    }
    s.send('SEND', { destination: topic }, 'x'.repeat(60_000));
    const overhead = (await s.messages.next()).data.length - 60_000;
    for (let size = 65_530; size <= 65_540; size++) {
      s.send('SEND', { destination: topic }, 'x'.repeat(size - overhead));
      const { data } = await s.messages.next();
      assert.equal(data.length, size);
      assert.equal(parseFrame(data).body.length, size - overhead);
    }
  });

  test('pings in the middle of large messages', async (t) => {
    const s = await Socket.connect(t, suite.url);
    const topic = unique('/topic/busy.');
    await s.subscribe(topic);
    const bodies = Array.from({ length: 40 }, (_, i) => String(i).repeat(100_000));
    for (const [i, body] of bodies.entries()) {
      s.send('SEND', { destination: topic }, body);
      s.ws.ping(String(i));
    }
    for (const body of bodies) {
      assert.ok((await s.next('MESSAGE')).text === body);
    }
    assert.deepEqual(await s.pongs.take(bodies.length), bodies.map((_, i) => String(i)));
  });

  test('nothing comes before CONNECTED', async (t) => {
    const s = await Socket.open(t, suite.url, ['v12.stomp']);
    s.ws.ping('first');
    assert.equal(await s.pongs.next(), 'first');
    s.ws.send('\n');
    s.ws.ping('second');
    assert.equal(await s.pongs.next(), 'second');
    assert.equal(s.messages.size, 0);
    s.send('CONNECT', { 'accept-version': '1.2', 'heart-beat': '0,50' });
    await s.next('CONNECTED');
  });

  test('a heart-beat is one LF, in a text message of its own', async (t) => {
    const s = await Socket.connect(t, suite.url, { 'heart-beat': '0,50' });
    assert.equal(s.opened.headers['heart-beat'], '50,0');
    for (const { data, isBinary } of await s.messages.take(5)) {
      assert.equal(data.toString(), '\n');
      assert.equal(isBinary, false);
    }
  });

  test('a client that misses its heart-beats is disconnected', async (t) => {
    const s = await Socket.connect(t, suite.url, { 'heart-beat': '100,0' });
    assert.equal(s.opened.headers['heart-beat'], '0,100');
    const error = await s.endsWithError('heart-beat-timeout', 1008);
    assert.match(error.text, /100ms/);
  });

  const part = frame('SEND', { destination: '/topic/x', receipt: 'slow' }, 'x'.repeat(10));
  for (const [what, sign] of [
    ['LF', (s) => s.ws.send('\n')],
    ['CR LF', (s) => s.ws.send('\r\n')],
    ['a pong', (s) => s.ws.pong()],
    ['a ping', (s) => s.ws.ping()],
    ['a part of a frame', (s, i) => s.ws.send(part.subarray(i, i + 1))],
  ]) {
    test(`${what} counts as a sign of life`, async (t) => {
      const s = await Socket.connect(t, suite.url, { 'heart-beat': '2000,200' });
      // The broker's heart-beats are the clock. It would close after 4 s of silence.
      for (let i = 0; i < 30; i++) {
        assert.equal((await s.messages.next()).data.toString(), '\n');
        sign(s, i);
      }
    });
  }

  test('a malformed heart-beat header', async (t) => {
    for (const value of ['x', '1000', '1000,y', '-1,0', '0.5,0']) {
      const s = await Socket.open(t, suite.url, ['v12.stomp']);
      s.send('CONNECT', { 'accept-version': '1.2', 'heart-beat': value });
      await s.endsWithError('invalid-heart-beat', 1002);
    }
  });

  test('one frame over many messages, of either kind', async (t) => {
    const s = await Socket.connect(t, suite.url);
    const topic = unique('/topic/parts.');
    await s.subscribe(topic);
    const bytes = frame('SEND', { destination: topic }, 'in parts: aä€😀');
    const ascii = bytes.indexOf('ä');
    for (let i = 0; i < bytes.length; i++) {
      s.ws.send(bytes.subarray(i, i + 1), { binary: i >= ascii || i % 2 === 0 });
    }
    assert.equal((await s.next('MESSAGE')).text, 'in parts: aä€😀');
  });

  test('one message in fragments', async (t) => {
    const s = await Socket.connect(t, suite.url);
    const topic = unique('/topic/fragments.');
    await s.subscribe(topic);
    const bytes = frame('SEND', { destination: topic }, 'fragments: aä€😀');
    const cut = bytes.indexOf('€') + 1; // fragments may end inside a character
    s.ws.send(bytes.subarray(0, 5), { binary: false, fin: false });
    s.ws.send(bytes.subarray(5, cut), { binary: false, fin: false });
    s.ws.ping('between');
    s.ws.send(bytes.subarray(cut), { binary: false, fin: true });
    assert.equal((await s.next('MESSAGE')).text, 'fragments: aä€😀');
    assert.equal(await s.pongs.next(), 'between');
  });

  test('several frames in one message, with line ends around; each is delivered alone', async (t) => {
    const s = await Socket.connect(t, suite.url);
    const topic = unique('/topic/several.');
    await s.subscribe(topic);
    const send = (body) => frame('SEND', { destination: topic }, body);
    s.ws.send(Buffer.concat(['\n', send('1'), send('2'), '\n\r\n\n', send('3'), '\n', send('4').subarray(0, 9)].map((b) => Buffer.from(b))));
    s.ws.send(send('4').subarray(9));
    for (const body of ['1', '2', '3', '4']) {
      assert.equal((await s.next('MESSAGE')).text, body);
    }
  });

  test('CONNECT and further frames in one message', async (t) => {
    const s = await Socket.open(t, suite.url, ['v12.stomp']);
    s.ws.send(Buffer.concat([
      frame('CONNECT', { 'accept-version': '1.2' }),
      frame('SUBSCRIBE', { id: '0', destination: '/topic/eager' }),
      frame('SEND', { destination: '/topic/eager' }, 'at once'),
    ]));
    await s.next('CONNECTED');
    assert.equal((await s.next('MESSAGE')).text, 'at once');
  });

  test('line ends of CR LF', async (t) => {
    const s = await Socket.open(t, suite.url, ['v12.stomp']);
    s.ws.send('CONNECT\r\naccept-version:1.2\r\n\r\n\0\r\n');
    await s.next('CONNECTED');
    const topic = unique('/topic/crlf.');
    s.ws.send(`SUBSCRIBE\r\nid:0\r\ndestination:${topic}\r\n\r\n\0`);
    s.ws.send(`SEND\r\ndestination:${topic}\r\nkind:a:b\r\n\r\nbody\r\n\0`);
    const m = await s.next('MESSAGE');
    assert.equal(m.text, 'body\r\n');
    assert.equal(m.headers.destination, topic);
    // An unescaped colon is accepted, and encoded as the receiver's version requires.
    assert.equal(m.headers.kind, 'a\\cb');
  });

  test('headers: the first of repeated ones counts, and the order is kept', async (t) => {
    const s = await Socket.connect(t, suite.url);
    const topic = unique('/topic/repeated.');
    await s.subscribe(topic);
    s.send('SEND', [['z', '1'], ['destination', topic], ['destination', '/nowhere/x'], ['a', ' 2 '], ['z', '3']], 'body');
    const m = await s.next('MESSAGE');
    assert.equal(m.headers.z, '1');
    assert.deepEqual(m.lines.filter((l) => /^[az]:/.test(l)).slice(0, 2), ['z:1', 'a: 2 ']);
  });

  test('1.0 trims header values, and escapes nothing', async (t) => {
    const s = await Socket.open(t, suite.url, ['v10.stomp']);
    s.send('CONNECT', { 'accept-version': '1.0' });
    await s.next('CONNECTED');
    const topic = unique('/topic/old.');
    s.send('SUBSCRIBE', { destination: ` ${topic} ` });
    s.send('SEND', { destination: topic, path: 'C:\\new', padded: ' x ' }, 'body');
    const m = await s.next('MESSAGE');
    assert.equal(m.headers.path, 'C:\\new');
    assert.equal(m.headers.padded, 'x');
  });

  test('id and receipt are echoed unchanged', async (t) => {
    const s = await Socket.connect(t, suite.url);
    const topic = unique('/topic/verbatim.');
    s.send('SUBSCRIBE', { id: 'a:b\\cc', destination: topic, receipt: 'r:1\\c' });
    assert.ok((await s.next('RECEIPT')).lines.includes('receipt-id:r:1\\c'));
    s.send('SEND', { destination: topic }, 'body');
    assert.ok((await s.next('MESSAGE')).lines.includes('subscription:a:b\\cc'));
    s.send('UNSUBSCRIBE', { id: 'a:b\\cc', receipt: 'r2' });
    await s.next('RECEIPT');
  });

  for (const [what, bytes] of [
    ['an unknown command', 'HELLO\n\n\0'],
    ['a header without a colon', 'SEND\ndestination\n\n\0'],
    ['an undefined escape', 'SEND\ndestination:/topic/x\nx:\\t\n\n\0'],
    ['a content-length that is no number', 'SEND\ndestination:/topic/x\ncontent-length:5x\n\nhello\0'],
    ['a body that is longer than its content-length', 'SEND\ndestination:/topic/x\ncontent-length:3\n\nhello\0'],
  ]) {
    test(`${what} is an ERROR`, async (t) => {
      const s = await Socket.connect(t, suite.url);
      s.ws.send(bytes);
      await s.endsWithError('invalid-frame', 1002);
    });
  }

  test('a frame before CONNECT, and a second CONNECT', async (t) => {
    const early = await Socket.open(t, suite.url, ['v12.stomp']);
    early.send('SEND', { destination: '/topic/x' }, 'early');
    await early.endsWithError('not-connected', 1002);
    const twice = await Socket.connect(t, suite.url);
    twice.send('CONNECT', { 'accept-version': '1.2' });
    await twice.endsWithError('already-connected', 1002);
  });

  test('the limit of a body counts over many messages', async (t) => {
    const s = await Socket.connect(t, suite.url);
    const part = 'x'.repeat(mebibyte);
    s.ws.send('SEND\ndestination:/topic/x\nreceipt:parts\n\n');
    for (let i = 0; i < 3; i++) {
      s.ws.send(part);
    }
    const error = await s.endsWithError('frame-too-large', 1009);
    assert.match(error.text, /limits\.frame_body_bytes/);
  });

  test('the limit before CONNECT, in one message and in many', async (t) => {
    const line = 'x'.repeat(1000);
    for (const parts of [[line.repeat(20)], Array(20).fill(line)]) {
      const s = await Socket.open(t, suite.url, ['v12.stomp']);
      s.ws.send('CONNECT\naccept-version:1.2\nlong:');
      parts.forEach((part) => s.ws.send(part));
      const error = await s.endsWithError('frame-too-large', 1009);
      assert.match(error.text, /16384/);
      assert.match(error.text, /limits\.frame_bytes_before_connect/);
    }
  });
});

// In ms. The broker gives up after 5 s, so a later answer would not be immediate.
const atOnce = 4500;

describe('the end', { concurrency: 4 }, () => {
  const suite = suiteBroker();

  test('a ping is answered with its own payload', async (t) => {
    const s = await Socket.connect(t, suite.url);
    for (const payload of ['', 'payload', 'x'.repeat(125)]) {
      s.ws.ping(payload);
      assert.equal(await s.pongs.next(), payload);
    }
  });

  test('a close is answered at once, with its code', async (t) => {
    for (const code of [1000, 1001, 3000, 4999]) {
      const s = await Socket.connect(t, suite.url);
      s.ws.close(code, 'reason');
      const end = await within(s.closed, `the answer to close code ${code}`, atOnce);
      assert.equal(end.code, code);
    }
  });

  test('a close is answered while messages stream in', async (t) => {
    const [s, sender] = [await Socket.connect(t, suite.url), await Socket.connect(t, suite.url)];
    const topic = unique('/topic/stream.');
    await s.subscribe(topic);
    for (let i = 0; i < 200; i++) {
      sender.send('SEND', { destination: topic }, 'x'.repeat(10_000));
    }
    await s.next('MESSAGE');
    s.ws.close(4000);
    assert.equal((await within(s.closed, 'the answer to a close')).code, 4000);
    for (const { data } of s.messages.drain()) {
      assert.equal(parseFrame(data).body.length, 10_000);
    }
  });

  test('a close without a code is answered at once', async (t) => {
    const s = await Socket.connect(t, suite.url);
    s.ws.close();
    // 1005: the answer has no code either; or it has that of a normal end.
    assert.ok([1000, 1005].includes((await within(s.closed, 'the answer to a close', atOnce)).code));
  });

  test('a close before CONNECT is answered at once', async (t) => {
    const s = await Socket.open(t, suite.url, ['v12.stomp']);
    s.ws.close(1000);
    assert.equal((await within(s.closed, 'the answer to a close', atOnce)).code, 1000);
  });

  test('DISCONNECT: RECEIPT, then close code 1000; later frames are ignored', async (t) => {
    const [s, other] = [await Socket.connect(t, suite.url), await Socket.connect(t, suite.url)];
    const topic = unique('/topic/after.');
    await other.subscribe(topic);
    s.ws.send(Buffer.concat([
      frame('SEND', { destination: topic }, 'before'),
      frame('DISCONNECT', { receipt: 'bye' }),
      frame('SEND', { destination: topic }, 'after'),
      frame('HELLO', {}),
    ]));
    assert.equal((await s.next('RECEIPT')).headers['receipt-id'], 'bye');
    assert.equal((await within(s.closed, 'the end of the connection')).code, 1000);
    assert.equal((await other.next('MESSAGE')).text, 'before');
    other.send('SEND', { destination: topic }, 'last');
    assert.equal((await other.next('MESSAGE')).text, 'last');
  });

  test('DISCONNECT without a receipt: close code 1000', async (t) => {
    const s = await Socket.connect(t, suite.url);
    s.send('DISCONNECT', {});
    assert.equal((await within(s.closed, 'the end of the connection')).code, 1000);
    assert.equal(s.messages.size, 0);
  });

  test('no CONNECT in time', async (t) => {
    const { url } = await startBroker(t, { 'limits-connect-timeout': '200ms' });
    const s = await Socket.open(t, url, ['v12.stomp']);
    const error = await s.endsWithError('connect-timeout', 1008);
    assert.match(error.text, /limits\.connect_timeout/);
  });

  test('SIGTERM: 1001, also before CONNECT', async (t) => {
    const broker = await startBroker(t);
    const sockets = [await Socket.connect(t, broker.url), await Socket.open(t, broker.url, ['v12.stomp'])];
    await broker.stop();
    for (const s of sockets) {
      assert.equal((await within(s.closed, 'the end of the connection')).code, 1001);
    }
  });
});

describe('compression', () => {
  const suite = suiteBroker({ 'listen-websocket-compression': 'true', 'heartbeat-min': '50ms', 'limits-frame-body-bytes': '1MiB' });
  const deflate = { perMessageDeflate: { threshold: 0, zlibDeflateOptions: { level: 1 } } };

  test('is off unless it is configured', async (t) => {
    const { url } = await startBroker(t);
    const s = await Socket.open(t, url, ['v12.stomp'], deflate);
    assert.equal(s.ws.extensions, '');
  });

  test('is not forced on a client that does not offer it', async (t) => {
    const s = await Socket.connect(t, suite.url);
    assert.equal(s.ws.extensions, '');
    const topic = unique('/topic/plain.');
    await s.subscribe(topic);
    s.send('SEND', { destination: topic }, 'x'.repeat(10_000));
    assert.equal((await s.next('MESSAGE')).text.length, 10_000);
  });

  test('frames arrive, and are smaller on the wire', async (t) => {
    const s = await Socket.connect(t, suite.url, {}, deflate);
    assert.match(s.ws.extensions, /permessage-deflate/);
    const topic = unique('/topic/deflate.');
    await s.subscribe(topic);
    const bodies = ['', 'aä€😀\0', 'abc '.repeat(200_000), 'x', Buffer.from([0xff, 0]), 'y'.repeat(mebibyte)];
    const { bytesWritten, bytesRead } = s.ws._socket;
    for (const body of bodies) {
      s.ws.send(frame('SEND', { destination: topic, 'content-length': Buffer.byteLength(body) }, body));
    }
    for (const body of bodies) {
      const m = await s.next('MESSAGE');
      assert.ok(m.body.equals(Buffer.from(body)));
      assert.equal(m.isBinary, typeof body !== 'string');
    }
    assert.ok(s.ws._socket.bytesWritten - bytesWritten < 100_000, 'sent bytes are few');
    assert.ok(s.ws._socket.bytesRead - bytesRead < 100_000, 'received bytes are few');
  });

  test('many frames and heart-beats, each in its own message', async (t) => {
    const s = await Socket.connect(t, suite.url, { 'heart-beat': '0,50' }, deflate);
    const topic = unique('/topic/deflate.');
    s.send('SUBSCRIBE', { id: '0', destination: topic });
    const next = async () => {
      const m = await s.messages.next();
      return m.data.toString() === '\n' && !m.isBinary ? next() : parseFrame(m.data);
    };
    for (let round = 0; round < 5; round++) {
      await s.messages.next(); // a heart-beat
      for (let i = 0; i < 100; i++) {
        s.send('SEND', { destination: topic }, `${round} ${i}`);
      }
      for (let i = 0; i < 100; i++) {
        assert.equal((await next()).body.toString(), `${round} ${i}`);
      }
    }
    s.send('DISCONNECT', { receipt: 'bye' });
    assert.equal((await next()).command, 'RECEIPT');
    assert.equal((await within(s.closed, 'the end of the connection')).code, 1000);
  });

  test('keeps to the window that a client asks for, and compresses each message once for all', async (t) => {
    const topic = unique('/topic/window.');
    const block = randomBytes(20_000).toString('base64');
    const body = block + block; // the repetition is further back than a small window
    const subscribers = [];
    for (const bits of [9, 10, 12, 15, undefined]) {
      const s = await Socket.connect(t, suite.url, {}, { perMessageDeflate: { threshold: 0, ...(bits && { serverMaxWindowBits: bits }) } });
      // zlib refuses references beyond the window, and its limit of 8 is one of 9.
      assert.equal(s.ws._extensions['permessage-deflate'].params.server_max_window_bits, bits);
      await s.subscribe(topic);
      subscribers.push(s);
    }
    for (const text of [body, 'short', body.slice(0, 5000)]) {
      subscribers[0].send('SEND', { destination: topic }, text);
      for (const s of subscribers) {
        assert.equal((await s.next('MESSAGE')).text, text);
      }
    }
  });

  test('frames below the threshold are sent as they are', async (t) => {
    const { url } = await startBroker(t, { 'listen-websocket-compression': 'true', 'listen-websocket-compression-threshold': '2KiB' });
    const s = await Socket.connect(t, url, {}, deflate);
    const topic = unique('/topic/threshold.');
    await s.subscribe(topic);
    for (const [length, least, most] of [[1500, 1500, 2000], [3000, 0, 500]]) {
      const { bytesRead } = s.ws._socket;
      s.send('SEND', { destination: topic }, 'x'.repeat(length));
      assert.equal((await s.next('MESSAGE')).text.length, length);
      const read = s.ws._socket.bytesRead - bytesRead;
      assert.ok(read >= least && read <= most, `${read} bytes came for ${length}`);
    }
  });

  test('a small message that inflates beyond the limit is refused, in bounded memory', async (t) => {
    const before = suite.broker.peakMemory();
    const bomb = Buffer.alloc(128 * mebibyte, 'x');
    for (const [what, first] of [
      ['a body', 'SEND\ndestination:/topic/x\n\n'],
      ['headers', 'SEND\ndestination:'],
      ['line feeds', '\n'],
    ]) {
      const s = await Socket.connect(t, suite.url, {}, deflate);
      const fill = what === 'line feeds' ? Buffer.alloc(bomb.length, '\n') : bomb;
      fill.write(first);
      s.ws.send(fill, { binary: false });
      await s.endsWithError('frame-too-large', 1009);
    }
    const early = await Socket.open(t, suite.url, ['v12.stomp'], deflate);
    early.ws.send(bomb, { binary: false });
    await early.endsWithError('frame-too-large', 1009);
    const grown = suite.broker.peakMemory() - before;
    assert.ok(grown < 16 * mebibyte, `the broker grew by ${grown} bytes`);
  });
});
