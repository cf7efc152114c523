// The console in Chromium: checks common to its tests, and a user's actions.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before } from 'node:test';

import { Broker } from './broker.js';
import { suiteChromium } from './chromium.js';
import { configuration } from './rules.js';
import { connect, unique } from './stompjs.js';
import { authorization, token } from './tokens.js';

/** Flags of a broker with an admin listener. */
export const flags = { 'listen-admin-address': '127.0.0.1:0' };

/** Everybody may send and subscribe; operators need roles. */
const acl = [
  { name: 'open', allow: ['subscribe', 'send'], destinations: ['/**'] },
  { name: 'secret', deny: ['subscribe'], destinations: ['/topic/secret.**'] },
  { name: 'operators', roles: ['operator'], allow: ['admin:write'] },
  { name: 'watchers', roles: ['watcher'], allow: ['admin:read'] },
];

/** A token with all admin rights. */
export function operator() {
  return token('olga', { roles: ['operator'] });
}

/** The location of a queue's page. */
export function queuePage(queue) {
  return `#/queue?name=${encodeURIComponent(queue)}`;
}

/** Within describe: a broker with a console, and Chromium, for all its tests. The broker is set when they run. */
export function suiteConsole() {
  const suite = { chromium: suiteChromium(), open, client, filled };
  let folder;

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'hoofbeat-console-'));
    writeFileSync(path.join(folder, 'revoked'), '');
    suite.broker = await Broker.start(flags, configuration({}, {
      revoked_file: path.join(folder, 'revoked'),
      users: [{ name: 'paul', hash: '$2b$04$8G8Gi9mu3d5ds5pvb/XSyebAWrRMQes6niJ84LYhcZLxv5rp1i/cS', roles: ['watcher'] }], // correct horse
    }, acl));
  });
  after(async () => {
    await suite.broker?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Opens the console and logs in. Items on a page may be gone a moment later. */
  async function open(t, options = {}, who = operator()) {
    const page = await openConsole(t, suite.chromium, suite.broker.operators, { expected: /40[14]/, ...options });
    await page.login(await who);
    return page;
  }

  /** A client of the broker, with @stomp/stompjs. */
  async function client(t, user = 'ada', headers = {}) {
    const { connectHeaders } = authorization(await token(user));
    return connect(t, suite.broker.url, { connectHeaders: { ...connectHeaders, ...headers } });
  }

  /** A queue for one test with these messages. */
  async function filled(t, bodies, headers = {}) {
    const queue = unique('/queue/console.');
    const c = await client(t);
    for (const body of bodies) {
      await c.sendWithReceipt(queue, body, headers);
    }
    return queue;
  }

  return suite;
}

/**
 * Opens the console of a listener at a location. The test fails at its end if the page had an error, violated its
 * policy, opened a dialog of the browser, or sent a request to another origin. expected matches error messages
 * that the test provokes.
 */
export async function openConsole(t, chromium, operators, { place = '#/', expected = /^$/, phone = false, media = {} } = {}) {
  const page = await chromium.open(t);
  const { host, origin } = new URL(operators);
  const wrong = [];
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && !expected.test(m.text()) && wrong.push(m.text()));
  page.on('dialog', (d) => {
    wrong.push(`dialog: ${d.message()}`);
    d.dismiss();
  });
  page.on('request', (r) => new URL(r.url()).origin !== origin && !r.url().startsWith('data:') && wrong.push(`request to ${r.url()}`));
  page.on('websocket', (w) => new URL(w.url()).host !== host && wrong.push(`WebSocket to ${w.url()}`));
  await page.exposeFunction('reportWrong', (what) => wrong.push(what));
  await page.addInitScript(() => {
    Object.defineProperty(globalThis, 'hacked', { set: () => globalThis.reportWrong('a script ran') });
    document.addEventListener('securitypolicyviolation', (e) => globalThis.reportWrong(`policy: ${e.violatedDirective} ${e.blockedURI}`));
  });
  t.after(() => {
    assert.deepEqual(wrong, []);
  });
  await page.emulateMedia(media);
  if (phone) {
    await page.setViewportSize({ width: 360, height: 740 });
  }
  await page.goto(new URL(place, operators).href);
  return Object.assign(page, actions(page, operators));
}

function actions(page, operators) {
  return {
    /** Goes to a location in the console and waits for its heading. */
    async place(hash, heading) {
      await page.goto(new URL(hash, operators).href);
      await page.waitForFunction((text) => document.querySelector('main h1')?.textContent === text, heading);
    },

    async login(token) {
      await page.fill('[name=token]', token);
      await page.click('button:text-is("Log in")');
      await page.waitForSelector('header.top');
    },

    /** Waits until a matching element contains a text. */
    says(selector, text) {
      return page.waitForFunction(([s, wanted]) => [...document.querySelectorAll(s)].some((e) => e.textContent.includes(wanted)), [selector, text]);
    },

    /** Filters a list and waits until it shows the result; before, rows may move away under the mouse. */
    async filter(text) {
      await page.fill('[name=q]', text);
      await page.waitForFunction((q) => new URLSearchParams(location.hash.split('?')[1]).get('q') === q && document.querySelector('.resource')?.ariaBusy === 'false', text);
    },

    /** Waits until the tile with this name has this value. */
    tileSays(label, value) {
      return page.waitForFunction(([l, v]) => [...document.querySelectorAll('.tile')].some((e) => e.querySelector('dt').textContent === l && e.querySelector('.value').textContent === v), [label, value]);
    },

    /** Presses Tab until the focused element matches a selector. */
    async tab(wanted) {
      for (let i = 0; i < 60; i++) {
        await page.keyboard.press('Tab');
        if (await page.evaluate((selector) => document.activeElement.matches(selector), wanted)) {
          return;
        }
      }
      assert.fail(`Tab does not lead to ${wanted}`);
    },

    focused: () => page.evaluate(() => document.activeElement.textContent),

    async noOverflow() {
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${wide} pixels too wide at ${page.url()}`);
    },
  };
}

/** Text that would run as a script, or look like markup, if it was not escaped. */
export const hostile = '<img src=x onerror="globalThis.hacked=1"><script>globalThis.hacked=2</script>';
