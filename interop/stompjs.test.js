// @stomp/stompjs: connecting, destinations, bodies and headers.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { Versions } from '@stomp/stompjs';

import { suiteBroker } from './lib/broker.js';
import { connect, onlyVersion, unique } from './lib/stompjs.js';

const mebibyte = 1 << 20;

describe('stompjs', { concurrency: 4 }, () => {
  const suite = suiteBroker();

  for (const version of [Versions.V1_0, Versions.V1_1, Versions.V1_2]) {
    test(`connects with ${version}, sends, receives and acknowledges`, async (t) => {
      const c = await connect(t, suite.url, { stompVersions: onlyVersion(version) });
      assert.equal(c.opened.headers.version, version);
      assert.equal(c.client.connectedVersion, version);
      assert.equal(c.client.webSocket.protocol, `v${version.replace('.', '')}.stomp`);

      const queue = unique('/queue/version.');
      const inbox = await c.subscribe(queue, { ack: 'client-individual' });
      await c.sendWithReceipt(queue, 'first', { kind: 'test' });
      const m = await inbox.next();
      assert.equal(m.body, 'first');
      assert.equal(m.headers.kind, 'test');
      assert.equal(m.headers.destination, queue);
      assert.equal(m.headers.subscription, inbox.id);
      assert.match(m.headers['message-id'], /^[A-Za-z0-9_.@-]+$/);
      assert.equal(m.headers.ack === m.headers['message-id'], version !== Versions.V1_2);
      assert.equal(m.headers['content-length'], '5');
      assert.equal(m.headers['content-type'], undefined);
      await c.receipt((r) => m.nack(r));
      const again = await inbox.next();
      assert.equal(again.headers.redelivered, 'true');
      assert.equal(again.headers['message-id'] === m.headers['message-id'], version === Versions.V1_2);
      assert.notEqual(again.headers.ack, m.headers.ack);
      await c.receipt((r) => again.ack(r));
      await c.fence();
      assert.equal(inbox.size, 0);
    });
  }

  test('negotiates the highest offered version', async (t) => {
    const c = await connect(t, suite.url);
    assert.equal(c.opened.headers.version, '1.2');
    assert.equal(c.client.webSocket.protocol, 'v12.stomp');
  });

  test('connects over a WebSocket without a subprotocol', async (t) => {
    const c = await connect(t, suite.url, { webSocketFactory: () => new WebSocket(suite.url) });
    assert.equal(c.client.webSocket.protocol, '');
    assert.equal(c.opened.headers.version, '1.2');
  });

  test('CONNECTED has the required headers, and none that breaks a client', async (t) => {
    const c = await connect(t, suite.url, { connectHeaders: { login: 'somebody', passcode: 'any', host: 'here' } });
    const { headers, body } = c.opened;
    assert.match(headers.server, /^hoofbeat\/[^\s:]+$/);
    assert.match(headers.session, /^[^\s:]+$/);
    assert.equal(headers['user-name'], 'somebody');
    assert.equal(headers['heart-beat'], '10000,10000');
    assert.equal(body, '');
    const lines = c.messagesIn[0].split('\n\n')[0].split('\n').slice(1);
    for (const line of lines) {
      assert.match(line, /^[a-z-]+:[^\s:]+$/);
    }
  });

  test('topics: every subscriber gets a copy, and only of its topic', async (t) => {
    const [a, b] = [await connect(t, suite.url), await connect(t, suite.url)];
    const topic = unique('/topic/copies.');
    const [ofA, ofB, twice, other] = [
      await a.subscribe(topic), await b.subscribe(topic), await b.subscribe(topic), await b.subscribe(unique('/topic/other.')),
    ];
    a.send(topic, 'to all');
    for (const inbox of [ofA, ofB, twice]) {
      const m = await inbox.next();
      assert.equal(m.body, 'to all');
      assert.equal(m.headers.ack, undefined);
    }
    await b.fence();
    assert.equal(ofB.size + twice.size + other.size, 0);
  });

  test('topics: patterns', async (t) => {
    const c = await connect(t, suite.url);
    const base = unique('/topic/p');
    const patterns = {
      [`${base}.*.c`]: ['.b.c', '/b/c'],
      [`${base}.**`]: ['', '.b', '.b.c', '/b/c', '.b.c.d'],
      [`${base}.#`]: ['', '.b', '.b.c', '/b/c', '.b.c.d'],
      [`${base}.>`]: ['', '.b', '.b.c', '/b/c', '.b.c.d'],
      [`${base}/*/c`]: ['.b.c', '/b/c'],
      [`${base}.**.d`]: ['.b.c.d'],
    };
    const inboxes = new Map();
    for (const pattern of Object.keys(patterns)) {
      inboxes.set(pattern, await c.subscribe(pattern));
    }
    for (const end of ['', '.b', '.b.c', '/b/c', '.b.c.d', 'x.b.c']) {
      c.send(base + end, end);
    }
    await c.fence();
    for (const [pattern, expected] of Object.entries(patterns)) {
      const got = inboxes.get(pattern).drain();
      assert.deepEqual(got.map((m) => m.body), expected, pattern);
      assert.deepEqual(got.map((m) => m.headers.destination), expected.map((end) => base + end), pattern);
    }
  });

  test('unsubscribing stops delivery at once', async (t) => {
    const [c, sender] = [await connect(t, suite.url), await connect(t, suite.url)];
    const topic = unique('/topic/until.');
    const inbox = await c.subscribe(topic);
    c.send(topic, 'before');
    assert.equal((await inbox.next()).body, 'before');
    inbox.unsubscribe();
    c.send(topic, 'after');
    await c.fence();
    await sender.sendWithReceipt(topic, 'after, by another');
    await c.fence();
    assert.equal(inbox.size + c.unhandledMessages.size, 0);
  });

  test('RECEIPT repeats any receipt id', async (t) => {
    const c = await connect(t, suite.url);
    const receipts = [];
    c.client.onUnhandledReceipt = (f) => receipts.push(f.headers['receipt-id']);
    for (const id of ['1', 'a b', 'x:y', 'ä€', 'back\\slash']) {
      c.send(unique('/topic/receipts.'), '', { receipt: id });
    }
    await c.fence();
    assert.deepEqual(receipts, ['1', 'a b', 'x:y', 'ä€', 'back\\slash']);
  });

  test('text bodies: empty, NUL, line ends, characters of one to four bytes', async (t) => {
    const c = await connect(t, suite.url);
    const topic = unique('/topic/text.');
    const inbox = await c.subscribe(topic);
    const bodies = ['', 'a\0b\0', '\n\n', 'line\r\nline\n', 'aä€😀', '😀'.repeat(5000), '\ufeffmark', '\0'];
    for (const body of bodies) {
      c.send(topic, body);
    }
    for (const body of bodies) {
      const m = await inbox.next();
      assert.equal(Buffer.from(m.binaryBody).toString(), body);
      assert.equal(m.body, body.replace('\ufeff', '')); // the client's decoder takes it for a byte order mark
      assert.equal(m.headers['content-length'], String(Buffer.byteLength(body)));
    }
  });

  test('text without content-length ends with the NUL', async (t) => {
    const c = await connect(t, suite.url);
    const topic = unique('/topic/unmeasured.');
    const inbox = await c.subscribe(topic);
    c.client.publish({ destination: topic, body: 'aä€😀', skipContentLengthHeader: true });
    const m = await inbox.next();
    assert.equal(m.body, 'aä€😀');
    assert.equal(m.headers['content-length'], '10');
  });

  test('binary bodies', async (t) => {
    const c = await connect(t, suite.url);
    const topic = unique('/topic/binary.');
    const inbox = await c.subscribe(topic);
    const bodies = [
      Uint8Array.from({ length: 256 }, (_, i) => i),
      new Uint8Array([0]),
      new Uint8Array([0xff, 0xfe, 0, 0xc3]),
      new Uint8Array(Buffer.from('text in a binary message')),
      Uint8Array.from({ length: mebibyte }, (_, i) => (i * 31) >> 3),
    ];
    for (const body of bodies) {
      c.sendBinary(topic, body, { 'content-type': 'application/octet-stream' });
    }
    for (const body of bodies) {
      const m = await inbox.next();
      assert.ok(Buffer.from(m.binaryBody).equals(Buffer.from(body)), `${body.length} bytes came unchanged`);
      assert.equal(m.headers['content-type'], 'application/octet-stream');
      assert.equal(m.headers['content-length'], String(body.length));
    }
  });

  test('headers: colon, line feed, carriage return, backslash, unknown ones, in order', async (t) => {
    const c = await connect(t, suite.url);
    const topic = unique('/topic/headers.');
    const inbox = await c.subscribe(topic);
    const headers = {
      zebra: '1', colon: 'a:b::c', feed: 'one\ntwo', back: 'a\\b', windows: 'C:\\new', unicode: 'ä€😀',
      'content-type': 'text/x-test;charset=utf-8', 'correlation-id': '17', alpha: '2',
    };
    c.send(topic, 'body', headers);
    const m = await inbox.next();
    for (const [name, value] of Object.entries(headers)) {
      // The client turns the backslash and the n of this value into a line feed.
      if (name !== 'windows') {
        assert.equal(m.headers[name], value, name);
      }
    }
    const [raw] = c.framesIn('MESSAGE');
    const lines = raw.split('\n\n')[0].split('\n');
    assert.ok(lines.includes('windows:C\\c\\\\new'), 'a backslash is escaped on the wire');
    const names = lines.slice(1).map((l) => l.split(':')[0]).filter((name) => name in headers);
    assert.deepEqual(names, Object.keys(headers));
  });

  test('a sender cannot set the broker’s headers', async (t) => {
    const c = await connect(t, suite.url);
    const topic = unique('/topic/forged.');
    const inbox = await c.subscribe(topic);
    const forged = { 'message-id': 'x', subscription: 'y', ack: 'z', redelivered: 'true', 'delivery-count': '9', user: 'root' };
    c.send(topic, '', { ...forged, kept: 'yes' });
    const m = await inbox.next();
    assert.equal(m.headers.kept, 'yes');
    assert.equal(m.headers.subscription, inbox.id);
    assert.notEqual(m.headers['message-id'], 'x');
    for (const name of ['ack', 'redelivered', 'delivery-count', 'user', 'receipt']) {
      assert.equal(m.headers[name], undefined, name);
    }
  });

  for (const splitLargeFrames of [false, true]) {
    test(`bodies of 1 MiB, ${splitLargeFrames ? '' : 'not '}split by the client`, async (t) => {
      const c = await connect(t, suite.url, { splitLargeFrames });
      const topic = unique('/topic/large.');
      const inbox = await c.subscribe(topic);
      const bodies = ['x'.repeat(mebibyte), 'é\0'.repeat(mebibyte / 3), 'small'];
      for (const body of bodies) {
        c.send(topic, body);
      }
      for (const body of bodies) {
        const m = await inbox.next();
        assert.ok(m.body === body, `${body.length} characters came unchanged`);
      }
      assert.equal(c.framesIn('MESSAGE').length, bodies.length, 'each came in one WebSocket message');
    });
  }

  test('forceBinaryWSFrames', async (t) => {
    const c = await connect(t, suite.url, { forceBinaryWSFrames: true });
    const topic = unique('/topic/forced.');
    const inbox = await c.subscribe(topic);
    c.send(topic, 'aä\0€😀');
    assert.equal((await inbox.next()).body, 'aä\0€😀');
  });

  test('appendMissingNULLonIncoming', async (t) => {
    const c = await connect(t, suite.url, { appendMissingNULLonIncoming: true });
    const topic = unique('/topic/append.');
    const inbox = await c.subscribe(topic);
    for (const body of ['one', '', 'x'.repeat(100_000), 'four']) {
      c.send(topic, body);
      assert.equal((await inbox.next()).body, body);
    }
  });

  test('a request with reply-to: /temp-queue/ is answered', async (t) => {
    const [asking, answering] = [await connect(t, suite.url), await connect(t, suite.url)];
    const service = unique('/queue/service.');
    const requests = await answering.subscribe(service);
    const replies = await asking.subscribe('/temp-queue/replies');
    asking.send(service, 'question', { 'reply-to': '/temp-queue/replies', 'correlation-id': '7' });
    const request = await requests.next();
    assert.notEqual(request.headers['reply-to'], '/temp-queue/replies');
    answering.send(request.headers['reply-to'], 'answer', { 'correlation-id': request.headers['correlation-id'] });
    const reply = await replies.next();
    assert.equal(reply.body, 'answer');
    assert.equal(reply.headers.destination, '/temp-queue/replies');
    assert.equal(reply.headers['correlation-id'], '7');
  });

  test('two connections each have a /temp-queue/ of the same name', async (t) => {
    const [a, b] = [await connect(t, suite.url), await connect(t, suite.url)];
    const [ofA, ofB] = [await a.subscribe('/temp-queue/mine'), await b.subscribe('/temp-queue/mine')];
    a.send('/temp-queue/mine', 'of a');
    b.send('/temp-queue/mine', 'of b');
    assert.equal((await ofA.next()).body, 'of a');
    assert.equal((await ofB.next()).body, 'of b');
    await Promise.all([a.fence(), b.fence()]);
    assert.equal(ofA.size + ofB.size, 0);
  });

  test('/user/queue/ and /user/topic/ reach all connections of one user', async (t) => {
    const user = unique('user');
    const as = (login) => connect(t, suite.url, { connectHeaders: { login } });
    const [desk, phone, other] = [await as(user), await as(user), await as(unique('other'))];
    const at = async (c) => [await c.subscribe('/user/queue/mail'), await c.subscribe('/user/topic/mail')];
    const inboxes = [await at(desk), await at(phone), await at(other)];
    other.send(`/user/${user}/queue/mail`, 'to the queue');
    other.send(`/user/${user}/topic/mail`, 'to the topic');
    for (const [queue, topic] of inboxes.slice(0, 2)) {
      const m = await queue.next();
      assert.equal(m.body, 'to the queue');
      assert.equal(m.headers.destination, '/user/queue/mail');
      assert.equal((await topic.next()).body, 'to the topic');
    }
    await Promise.all([desk, phone, other].map((c) => c.fence()));
    assert.equal(inboxes.flat().reduce((sum, inbox) => sum + inbox.size, 0), 0);
  });
});
