// The JavaScript, Python and Go programs in docs/clients.md, unchanged, with a token. Also lists the tests that run
// the other code blocks.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { createServer as createWebServer } from 'node:http';
import path from 'node:path';
import { describe, test } from 'node:test';

import { skip as noChromium, suiteChromium } from './lib/chromium.js';
import { noPython, python } from './python/python.js';
import { addressed, blocks, broker, everyBlock, root, start, temporaryFile } from './lib/snippets.js';
import { token } from './lib/tokens.js';
import { within } from './lib/wait.js';

/** Runs a program, given its name and source. */
function run(t, name, source, program, args) {
  return start(t, program, [...args, temporaryFile(t, name, source)]);
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
      assert.equal(await program.lines.next(30_000), 'order two horseshoes'); // includes compiling
    });
  }
});

const bundle = path.join(import.meta.dirname, 'node_modules', '@stomp', 'stompjs', 'bundles', 'stomp.umd.js');

/** A web server for the given pages. Chromium lets only pages from a loopback server connect to loopback. */
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
      await page.goto(`${site.origin}/stomp.umd.js`); // any page of this origin, to set its token
      await page.evaluate((value) => localStorage.setItem('token', value), await token('ada'));
      await page.goto(site.origin);
      await page.waitForSelector('#orders li');
      assert.equal(await page.textContent('#orders'), 'two horseshoes');
      assert.equal(await page.textContent('#state'), '');
    });
  }
});

// The tests of code blocks that this file does not run, by language: the test file, which reads the page. A new block
// needs a test and then a line here. A number is the count of blocks that the test covers.
const elsewhere = [
  { page: 'clients.md', language: 'csharp', heading: '.NET', count: 1, by: 'interop/clients.dotnet.test.js' },
  { page: 'clients.md', language: 'java', heading: 'Spring WebSocketStompClient', count: 1, by: 'interop/spring/tests/src/test/java/hoofbeat/spring/docs/SnippetsTest.java' },
  { page: 'clients.md', language: 'java', heading: 'Spring broker relay', count: 1, by: 'interop/spring/tests/src/test/java/hoofbeat/spring/docs/SnippetsTest.java' },
  { page: 'clients.md', language: 'kotlin', heading: 'Kotlin', count: 1, by: 'interop/kotlin/src/test/kotlin/hoofbeat/krossbow/SnippetTest.kt' },
  { page: 'migrate-activemq.md', language: 'yaml', by: 'internal/dialects/migrate_test.go' },
  { page: 'migrate-rabbitmq.md', language: 'yaml', by: 'internal/dialects/migrate_test.go' },
  { page: 'migrate-spring-simple-broker.md', language: 'yaml', by: 'internal/dialects/migrate_test.go' },
  { page: 'migrate-spring-simple-broker.md', language: 'java', count: 1, by: 'interop/spring/tests/src/test/java/hoofbeat/spring/docs/SnippetsTest.java' },
];
const here = ['html', 'js', 'python', 'go'];

describe('blocks of code in docs', () => {
  const pages = readdirSync(path.join(root, 'docs')).filter((name) => name === 'clients.md' || name.startsWith('migrate-'));
  const all = pages.flatMap(everyBlock);
  const taken = (claim) => all.filter((b) => b.page === claim.page && b.language === claim.language && (claim.heading ?? b.heading) === b.heading);

  test('each is run by a test', () => {
    const known = new Set([...elsewhere.flatMap(taken), ...all.filter((b) => b.page === 'clients.md' && here.includes(b.language))]);
    const unknown = all.filter((b) => !known.has(b)).map((b) => `${b.page}, ${b.heading}: ${b.language || 'no language'}`);
    assert.deepEqual(unknown, []);
    const fences = pages.map((page) => readFileSync(path.join(root, 'docs', page), 'utf8').match(/^ *(```|~~~)/gm)?.length ?? 0);
    assert.equal(all.length * 2, fences.reduce((sum, n) => sum + n), 'every fence belongs to a block that was found');
  });

  for (const claim of elsewhere) {
    const { page, language, heading, count, by } = claim;
    test(`${page}, ${heading ?? 'any heading'}: ${language}`, () => {
      const found = taken(claim).length;
      assert.ok(count === undefined ? found > 0 : found === count, `there are ${found}`);
      const source = readFileSync(path.join(root, by), 'utf8');
      assert.match(source, new RegExp(`\`\`\`${language}|blocks\\('${language}'\\)`), `${by} reads blocks of ${language}`);
      assert.ok(source.includes(page) || source.includes('migrate-*.md'), `${by} reads ${page}`);
    });
  }
});
