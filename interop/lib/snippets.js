// Programs in the documentation: finds them on their pages, inserts a broker's address, and runs them unchanged
// otherwise.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';

import { Broker } from './broker.js';
import { configuration } from './rules.js';
import { token } from './tokens.js';
import { Inbox } from './wait.js';

export const root = path.resolve(import.meta.dirname, '..', '..');
const documented = { ws: 'ws://127.0.0.1:15674/ws', http: 'http://127.0.0.1:15674/ws', port: "('127.0.0.1', 15674)" };
const documentedTCP = { go: '127.0.0.1:61613', python: "('127.0.0.1', 61613)" };

/** All code blocks of a page in docs, with their languages and headings. */
export function everyBlock(page) {
  const document = readFileSync(path.join(root, 'docs', page), 'utf8');
  const found = [];
  let heading = '';
  for (const [, title, language, text] of document.matchAll(/^## (.*)$|^ *```(.*)\n([^]*?)^ *```$/gm)) {
    if (title === undefined) {
      found.push({ page, heading, language, text });
    } else {
      heading = title;
    }
  }
  return found;
}

/** The blocks of docs/clients.md in a language. */
export function blocks(language) {
  const found = everyBlock('clients.md').filter((block) => block.language === language);
  assert.ok(found.length > 0, `docs/clients.md has a block of ${language}`);
  return found;
}

/** A free port. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

export const everybody = [{ name: 'everybody', allow: ['subscribe', 'send'], destinations: ['/queue/**', '/topic/**'] }];

/** A broker with authentication, on WebSocket and TCP, for one test. */
export async function broker(t, origins = [], config = configuration({}, {}, everybody)) {
  const tcp = await freePort();
  const b = await Broker.start({ 'listen-tcp-address': `127.0.0.1:${tcp}`, 'listen-websocket-origins': origins.join(',') }, config);
  t.after(() => b.stop());
  return Object.assign(b, { tcp });
}

/** Replaces the addresses in a document, which must occur, by those of a broker. */
export function addressed(text, b) {
  let found = 0;
  const replace = (from, to) => {
    found += text.split(from).length - 1;
    text = text.replaceAll(from, to);
  };
  replace(documented.ws, b.url);
  replace(documented.http, b.url.replace('ws:', 'http:'));
  replace(documented.port, `('127.0.0.1', ${b.port})`);
  replace(documentedTCP.python, `('127.0.0.1', ${b.tcp})`);
  replace(documentedTCP.go, `127.0.0.1:${b.tcp}`);
  assert.equal(found, 1, 'the address is in the block once');
  return text;
}

/** A file that is deleted with the test, in a folder from which a program finds the packages installed here. */
export function temporaryFile(t, name, text) {
  const folder = mkdtempSync(path.join(root, 'interop', 'node_modules', '.clients-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

/** Runs a program with a token. It ends with the test. */
export async function start(t, program, args, env = {}) {
  const child = spawn(program, args, {
    cwd: root, stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, TOKEN: await token('ada'), ...env }, detached: true,
  });
  const running = { child, ended: once(child, 'close'), errors: '' };
  t.after(() => {
    try {
      process.kill(-child.pid, 'SIGKILL'); // with its children
    } catch {
      // it has ended
    }
  });
  child.stderr.setEncoding('utf8').on('data', (text) => (running.errors += text));
  running.complaints = new Inbox('a line of stderr', () => ` ${running.errors}`);
  running.lines = new Inbox('a line of stdout', () => ` ${running.errors}`);
  createInterface({ input: child.stderr }).on('line', (line) => running.complaints.put(line));
  createInterface({ input: child.stdout }).on('line', (line) => running.lines.put(line));
  return running;
}
