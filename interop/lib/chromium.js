// Chromium, and a web server for the page in page/.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { after, before } from 'node:test';

import { within } from './wait.js';

const root = path.resolve(import.meta.dirname, '..');

/** The path of Chromium, or undefined. */
function findChromium() {
  if (process.env.CHROMIUM) {
    return process.env.CHROMIUM;
  }
  try {
    return execFileSync('which', ['chromium'], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}

const executablePath = findChromium();
if (!executablePath && process.env.CI === 'true') {
  throw new Error('Chromium is not installed, and with CI=true nothing may be skipped');
}

/** The reason to skip tests in Chromium, or false. */
export const skip = executablePath ? false : 'Chromium is not installed: set CHROMIUM to its path';

const served = {
  '/': ['text/html', path.join(root, 'page', 'index.html')],
  '/page.js': ['text/javascript', path.join(root, 'page', 'page.js')],
  '/sockjs.html': ['text/html', path.join(root, 'page', 'sockjs.html')],
  '/sockjs.page.js': ['text/javascript', path.join(root, 'page', 'sockjs.page.js')],
  '/sockjs.js': ['text/javascript', path.join(root, 'node_modules', 'sockjs-client', 'dist', 'sockjs.js')],
  '/stomp.umd.js': ['text/javascript', path.join(root, 'node_modules', '@stomp', 'stompjs', 'bundles', 'stomp.umd.js')],
};

/** A web server for the page, on a free port. */
async function servePage() {
  const server = createServer(async (request, response) => {
    const [type, file] = served[request.url] ?? [];
    if (!file) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': type }).end(await readFile(file));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** Within describe: Chromium for all its tests. origin is set when they run. */
export function suiteChromium() {
  const suite = { open };
  let server, browser;

  before(async () => {
    const { chromium } = await import('playwright-core');
    server = await servePage();
    suite.origin = `http://127.0.0.1:${server.address().port}`;
    browser = await chromium.launch({
      executablePath,
      args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
      timeout: 90_000,
    });
  });

  after(async () => {
    await browser?.close();
    server?.closeAllConnections();
    server?.close();
  });

  /** Opens a page, which is closed with the test. call runs one of its functions. */
  async function open(t, pathname = '/') {
    const page = await browser.newPage();
    const faults = [];
    page.on('pageerror', (error) => faults.push(String(error)));
    t.after(async () => {
      if (process.env.SCREENSHOTS) {
        await page.screenshot({ path: path.join(process.env.SCREENSHOTS, `${t.name.replace(/\W+/g, '-')}.png`) });
      }
      await page.close();
      assert.deepEqual(faults, [], 'uncaught errors of the page');
    });
    page.setDefaultTimeout(30_000);
    await page.goto(suite.origin + pathname);
    page.call = (name, ...args) =>
      within(page.evaluate(([f, a]) => globalThis[f](...a), [name, args]), `${name}(${args.join(', ').slice(0, 80)}) in the page`);
    page.events = () => page.evaluate('events');
    return page;
  }

  return suite;
}
