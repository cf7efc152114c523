// STOMP on the wire, parsed independently of the clients.
import assert from 'node:assert/strict';

/** Parses a frame: the bytes of one WebSocket message, which must contain exactly one frame. */
export function parseFrame(bytes) {
  const data = Buffer.from(bytes);
  const shown = JSON.stringify(data.toString('utf8', 0, 400));
  const split = data.indexOf('\n\n');
  assert.ok(split > 0, `no whole frame: ${shown}`);
  const [command, ...lines] = data.toString('utf8', 0, split).split('\n');
  assert.match(command, /^(CONNECTED|MESSAGE|RECEIPT|ERROR)$/, `no frame of a server: ${shown}`);
  const headers = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    assert.ok(colon > 0, `no header line ${JSON.stringify(line)}: ${shown}`);
    headers[line.slice(0, colon)] ??= line.slice(colon + 1);
  }
  const rest = data.subarray(split + 2);
  const end = headers['content-length'] === undefined ? rest.indexOf(0) : Number(headers['content-length']);
  assert.ok(end >= 0 && end === rest.length - 1 && rest[end] === 0, `not exactly one frame: ${shown}`);
  return { command, lines, headers, body: rest.subarray(0, end) };
}

/** Asserts that a WebSocket message, as text, is one frame or one heart-beat. */
export function assertOneFrame(message) {
  if (message === '\n') {
    return;
  }
  if (message.includes('\ufffd')) {
    // A binary message; its bytes cannot be counted any more.
    assert.ok(message.endsWith('\0'), 'a frame ends with NUL');
    return;
  }
  parseFrame(Buffer.from(message));
}

/** Encodes a frame. Headers are pairs or an object; nothing is escaped or added. */
export function frame(command, headers = {}, body = '') {
  const pairs = Array.isArray(headers) ? headers : Object.entries(headers);
  const head = [command, ...pairs.map(([k, v]) => `${k}:${v}`)].join('\n') + '\n\n';
  return Buffer.concat([Buffer.from(head), Buffer.from(body), Buffer.from([0])]);
}
