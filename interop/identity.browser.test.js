// @stomp/stompjs in Chromium: tokens and permissions.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { suiteBroker } from './lib/broker.js';
import { skip, suiteChromium } from './lib/chromium.js';
import { configuration } from './lib/rules.js';
import { assertLeft, connect, endsWithError, unique } from './lib/stompjs.js';
import { authorization, bearer, inSeconds, token } from './lib/tokens.js';

const tokenDestination = '/hoofbeat/token';

describe('tokens in Chromium', { skip, concurrency: 3 }, () => {
  const chromium = suiteChromium();
  const suite = suiteBroker(() => ({ 'listen-websocket-origins': chromium.origin }), configuration({ cookie: 'session' }));

  /** Opens the page and connects it with a token. */
  async function connected(t, text, destinations) {
    const page = await chromium.open(t);
    page.opened = await page.call('connectPage', suite.url, authorization(text), destinations);
    assert.equal(page.opened.failed, undefined);
    return page;
  }

  const writer = async (t) => connect(t, suite.url, await bearer('wendy', { roles: ['writer'] }));

  test('in connectHeaders', async (t) => {
    const page = await connected(t, await token('ada'));
    assert.equal(page.opened['user-name'], 'ada');
    await page.call('subscribePage', '/topic/inbox.ada.x');
    await (await writer(t)).sendWithReceipt('/topic/inbox.ada.x', 'to ada');
    assert.equal((await page.call('receiveText', '/topic/inbox.ada.x')).body, 'to ada');
    await page.call('deactivate');
    assertLeft(await page.events());
  });

  test('in the query, and in a cookie', async (t) => {
    const ada = await token('ada');
    const opened = await (await chromium.open(t)).call('connectPage', `${suite.url}?access_token=${ada}`, {});
    assert.equal(opened['user-name'], 'ada');
    const page = await chromium.open(t);
    await page.evaluate((value) => (document.cookie = `session=${value}; SameSite=Strict`), await token('bob'));
    assert.equal((await page.call('connectPage', suite.url, {}))['user-name'], 'bob');
  });

  test('a wrong one', async (t) => {
    const page = await chromium.open(t);
    const opened = await page.call('connectPage', suite.url, authorization(await token('ada', { exp: inSeconds(-60) })));
    assert.deepEqual(opened, { failed: 1008 });
    const [error, end] = await page.events();
    assert.equal(error.error, 'authentication-failed');
    assert.deepEqual(end, { closed: 1008, clean: true });
  });

  test('expires, and beforeConnect sets a new one', async (t) => {
    const page = await chromium.open(t);
    const exp = inSeconds(6);
    const tokens = [await token('ada', { exp }), await token('ada')];
    await page.exposeFunction('nextToken', () => tokens.shift());
    const topic = '/topic/inbox.ada.again';
    await page.call('connectWithTokens', suite.url, { reconnectDelay: 10 }, [topic]);
    await page.waitForFunction('events.length === 4');
    const [first, error, end, second] = await page.events();
    assert.deepEqual([first, second], [{ connected: true }, { connected: true }]);
    assert.equal(error.error, 'token-expired');
    assert.match(error.body, /\/hoofbeat\/token/);
    assert.deepEqual(end, { closed: 1008, clean: true });
    await page.call('fencePage');
    await (await writer(t)).sendWithReceipt(topic, 'after');
    assert.equal((await page.call('receiveText', topic)).body, 'after');
    await page.call('deactivate');
  });

  test('a new one by SEND keeps the session', async (t) => {
    const exp = inSeconds(6); // a page may take seconds to load
    const page = await connected(t, await token('ada', { exp }));
    await page.call('subscribePage', '/topic/inbox.ada.kept');
    await page.call('sendWithReceipt', tokenDestination, await token('ada'));
    // This session ends a second later and tells the time.
    const clock = await connect(t, suite.url, await bearer('clock', { exp: exp + 1 }));
    await endsWithError(clock, 'token-expired', 1008);
    await (await writer(t)).sendWithReceipt('/topic/inbox.ada.kept', 'still here');
    assert.equal((await page.call('receiveText', '/topic/inbox.ada.kept')).body, 'still here');
    assert.deepEqual(await page.events(), [{ connected: true }]);
  });

  test('one page may subscribe; the other sees the reason of its refusal', async (t) => {
    const topic = unique('/topic/news.');
    const may = await connected(t, await token('rose', { roles: ['reader'] }), []);
    await may.call('subscribePage', topic);
    const mayNot = await connected(t, await token('eve'), [topic]);
    await mayNot.waitForFunction('events.length === 3');
    const [, error, end] = await mayNot.events();
    assert.equal(error.error, 'access-denied');
    assert.equal(error.body.trim(), `The user "eve" may not subscribe to "${topic}".`);
    assert.deepEqual(end, { closed: 1008, clean: true });
    assert.match(await mayNot.textContent('#log'), /ERROR access-denied: The user "eve" may not subscribe to "\/topic\/news/);
    await (await writer(t)).sendWithReceipt(topic, 'news');
    assert.equal((await may.call('receiveText', topic)).body, 'news');
    assert.deepEqual(await may.events(), [{ connected: true }]);
  });
});
