// The snippets of docs/clients.md in JavaScript, Python and Go, as they stand
// there, with a token.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createWebServer } from 'node:http';
import { createServer } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';

import { Broker } from './lib/broker.js';
import { skip as noChromium, suiteChromium } from './lib/chromium.js';
import { noPython, python } from './python/python.js';
import { configuration } from './lib/rules.js';
import { token } from './lib/tokens.js';
import { Inbox, within } from './lib/wait.js';

const root = path.resolve(import.meta.dirname, '..');
const document = readFileSync(path.join(root, 'docs', 'clients.md'), 'utf8');
const documented = { ws: 'ws://127.0.0.1:15674/ws', http: 'http://127.0.0.1:15674/ws', port: "('127.0.0.1', 15674)" };
const documentedTCP = { go: '127.0.0.1:61613', python: "('127.0.0.1', 61613)" };

/** The blocks in a language, with the headings that they stand under. */
function blocks(language) {
  const found = [];
  for (const section of document.split(/^## /m).slice(1)) {
    const heading = section.slice(0, section.indexOf('\n'));
    for (const [, text] of section.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))) {
      found.push({ heading, text });
    }
  }
  assert.ok(found.length > 0, `docs/clients.md has a block of ${language}`);
  return found;
}

/** A port that nobody has just now. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

const everybody = [{ name: 'everybody', allow: ['subscribe', 'send'], destinations: ['/queue/**', '/topic/**'] }];

/** A broker that knows tokens, on WebSocket and TCP, for one test. */
async function broker(t, origins = []) {
  const tcp = await freePort();
  const b = await Broker.start({ 'listen-tcp-address': `127.0.0.1:${tcp}`, 'listen-websocket-origins': origins.join(',') }, configuration({}, {}, everybody));
  t.after(() => b.stop());
  return Object.assign(b, { tcp });
}

/** Puts the addresses of a broker in the place of those of the document, which must be there. */
function addressed(text, b) {
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

/** Runs a program that ends with the test, in a folder where it finds the packages that are installed here. */
async function run(t, name, source, program, args, env = {}) {
  const folder = mkdtempSync(path.join(import.meta.dirname, 'node_modules', '.clients-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, name);
  writeFileSync(file, source);
  const child = spawn(program, [...args, file], {
    cwd: root, stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, TOKEN: await token('ada'), ...env }, detached: true,
  });
  const running = { child, ended: once(child, 'close'), errors: '' };
  t.after(() => {
    try {
      process.kill(-child.pid, 'SIGKILL'); // with what it has started
    } catch {
      // it has ended
    }
  });
  child.stderr.setEncoding('utf8').on('data', (text) => (running.errors += text));
  running.lines = new Inbox(`a line of ${name}`, () => ` ${running.errors}`);
  createInterface({ input: child.stdout }).on('line', (line) => running.lines.put(line));
  return running;
}

describe('docs/clients.md', { concurrency: 2 }, () => {
  for (const { heading, text } of blocks('js')) {
    test(heading, async (t) => {
      const b = await broker(t);
      const program = await run(t, 'snippet.mjs', addressed(text, b), process.execPath, []);
      assert.equal(await program.lines.next(), 'order two horseshoes');
      assert.equal(program.errors, '');
    });
  }

  for (const { heading, text } of blocks('python')) {
    test(`${heading}, ${text.includes('ws_path') ? 'WebSocket' : 'TCP'}`, { skip: noPython }, async (t) => {
      const b = await broker(t);
      const program = await run(t, 'snippet.py', addressed(text, b), await python(), []);
      assert.equal(await program.lines.next(), 'order two horseshoes');
      program.child.stdin.end('\n');
      assert.deepEqual(await within(program.ended, 'the end of the program'), [0, null], program.errors);
    });
  }

  for (const { heading, text } of blocks('go')) {
    test(heading, async (t) => {
      const b = await broker(t);
      const program = await run(t, 'snippet.go', addressed(text, b), 'go', ['run']);
      assert.equal(await program.lines.next(30_000), 'order two horseshoes'); // it is compiled first
    });
  }
});

const bundle = path.join(import.meta.dirname, 'node_modules', '@stomp', 'stompjs', 'bundles', 'stomp.umd.js');

/** A web server with the pages that are put into it. Chromium lets none but a real one on loopback connect to loopback. */
async function serve(t) {
  const site = { pages: { '/stomp.umd.js': '' } };
  const server = createWebServer((request, response) => {
    const text = site.pages[request.url];
    const type = request.url === '/' ? 'text/html' : 'text/javascript';
    response.writeHead(text === undefined ? 404 : 200, { 'content-type': type }).end(text);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return Object.assign(site, { origin: `http://127.0.0.1:${server.address().port}` });
}

describe('docs/clients.md in Chromium', { skip: noChromium }, () => {
  const chromium = suiteChromium();
  for (const { heading, text } of blocks('html')) {
    test(heading, async (t) => {
      const site = await serve(t);
      const b = await broker(t, [site.origin]);
      site.pages = { '/': addressed(text, b), '/stomp.umd.js': readFileSync(bundle) };
      const page = await chromium.open(t);
      await page.goto(`${site.origin}/stomp.umd.js`); // of the same origin, so that it has the token
      await page.evaluate((value) => localStorage.setItem('token', value), await token('ada'));
      await page.goto(site.origin);
      await page.waitForSelector('#orders li');
      assert.equal(await page.textContent('#orders'), 'two horseshoes');
      assert.equal(await page.textContent('#state'), '');
    });
  }
});
