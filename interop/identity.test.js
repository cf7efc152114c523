// @stomp/stompjs: tokens and permissions.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';

import { UnsecuredJWT, exportSPKI } from 'jose';
import WebSocket from 'ws';

import { startBroker, suiteBroker } from './lib/broker.js';
import { configuration, rules } from './lib/rules.js';
import { Connection, connect, endsWithError, unique } from './lib/stompjs.js';
import { KeyServer, SigningKey, authorization, bearer, inSeconds, secret, token } from './lib/tokens.js';

const tokenDestination = '/hoofbeat/token';

/** Asserts, after the tests, that the log contains no token. */
function keepsTokensSecret(suite) {
  after(() => {
    assert.match(suite.broker.log, /"msg":"connected".*"user":"ada"/, 'the audit log is in the log');
    assert.doesNotMatch(suite.broker.log, /eyJ/, 'there is a token in the log');
  });
}

/**
 * Makes a client that ends with the test, and asserts that it cannot connect. It gets a reason only if its token
 * is genuine.
 */
async function refused(t, url, options, why = '') {
  const c = new Connection(url, options);
  t.after(() => c.end());
  c.client.activate();
  const error = await endsWithError(c, 'authentication-failed', 1008);
  assert.equal(error.body.trim(), `The credentials were not accepted${why && `: ${why}`}.`);
  assert.equal(c.connected.size, 0);
}

/** Asserts that a client is denied an operation. The ERROR names the operation but not the rule. */
async function denied(c, user, destination) {
  const error = await endsWithError(c, 'access-denied', 1008);
  assertNames(error, user, destination);
  return error;
}

function assertNames(error, user, destination) {
  assert.ok(error.body.includes(`"${user}"`), `it names the user: ${error.body}`);
  assert.ok(error.body.includes(`"${destination}"`), `it names the destination: ${error.body}`);
  assert.doesNotMatch(error.body, /rule-/);
}

/** Options with headers for the HTTP request. */
function httpHeaders(url, headers) {
  return { webSocketFactory: () => new WebSocket(url, ['v12.stomp'], { headers }) };
}

/** Options with which the client uses the next of these tokens for each connection. */
function tokensInTurn(...tokens) {
  return {
    reconnectDelay: 10,
    beforeConnect: (client) => Object.assign(client, authorization(tokens.shift())),
  };
}

describe('where a token may be', { concurrency: 4 }, () => {
  const suite = suiteBroker({}, configuration({ cookie: 'session' }));
  keepsTokensSecret(suite);

  for (const [where, options] of [
    ['the Authorization header of CONNECT', (token) => authorization(token)],
    ['the same in lower case', (token) => ({ connectHeaders: { authorization: `bearer ${token}` } })],
    ['the same, with the login of somebody else', (token) => ({ connectHeaders: { login: 'bob', Authorization: `Bearer ${token}` } })],
    ['the passcode', (token) => ({ connectHeaders: { passcode: token } })],
    ['the passcode, with a login', (token) => ({ connectHeaders: { login: 'bob', passcode: token } })],
    ['the query', (token) => ({ brokerURL: `${suite.url}?access_token=${token}` })],
    ['a cookie', (token) => httpHeaders(suite.url, { cookie: `other=1; session=${token}; last=2` })],
    ['the Authorization header of HTTP', (token) => httpHeaders(suite.url, { authorization: `Bearer ${token}` })],
  ]) {
    test(where, async (t) => {
      const c = await connect(t, suite.url, options(await token('ada')));
      assert.equal(c.opened.headers['user-name'], 'ada');
      await c.subscribe('/topic/inbox.ada.x');
      await c.fence();
      const other = await token('ada', {}, randomBytes(32));
      await refused(t, suite.url, options(other));
    });
  }

  test('that of CONNECT takes precedence', async (t) => {
    const [ada, bob] = [await token('ada'), await token('bob')];
    const everywhere = httpHeaders(`${suite.url}?access_token=${bob}`, { authorization: `Bearer ${bob}`, cookie: `session=${bob}` });
    const c = await connect(t, suite.url, { ...everywhere, ...authorization(ada) });
    assert.equal(c.opened.headers['user-name'], 'ada');
    await refused(t, suite.url, { ...everywhere, ...authorization('wrong') });
  });

  test('only in the configured places', async (t) => {
    const jwt = { sources: ['passcode'], query_parameter: '' };
    const { url } = await startBroker(t, {}, configuration(jwt));
    const ada = await token('ada');
    await connect(t, url, { connectHeaders: { passcode: ada } });
    for (const options of [
      authorization(ada),
      { brokerURL: `${url}?access_token=${ada}` },
      httpHeaders(url, { cookie: `session=${ada}` }),
      httpHeaders(url, { authorization: `Bearer ${ada}` }),
    ]) {
      await refused(t, url, options);
    }
  });
});

describe('tokens that are refused', { concurrency: 4 }, () => {
  const suite = suiteBroker({}, configuration({ issuer: 'shop', audience: ['hoofbeat'], required_claims: ['exp'] }));
  keepsTokensSecret(suite);
  const good = { iss: 'shop', aud: ['other', 'hoofbeat'] };

  test('a valid one is accepted', async (t) => {
    const c = await connect(t, suite.url, await bearer('ada', good));
    assert.equal(c.opened.headers['user-name'], 'ada');
  });

  for (const [what, make, why] of [
    ['of another secret', () => token('ada', good, randomBytes(32))],
    ['expired', () => token('ada', { ...good, exp: inSeconds(-60) }), 'the token has expired'],
    ['not valid yet', () => token('ada', { ...good, nbf: inSeconds(60) }), 'the token is not valid yet'],
    ['valid for ever', () => token('ada', { ...good, exp: undefined }), 'the token lacks a required claim'],
    ['of another issuer', () => token('ada', { ...good, iss: 'else' }), 'the token is of another issuer'],
    ['without an issuer', () => token('ada', { ...good, iss: undefined }), 'the token is of another issuer'],
    ['for another audience', () => token('ada', { ...good, aud: 'else' }), 'the token is for another audience'],
    ['of nobody', () => token(undefined, good), 'the token names no user, or the name is not valid'],
    ['of another algorithm', () => token('ada', good, secret.repeat(2), { alg: 'HS512' })],
    ['signed by nobody', () => new UnsecuredJWT({ ...good, sub: 'ada', exp: inSeconds(60) }).encode()],
    ['changed', async () => {
      const [head, , signature] = (await token('ada', good)).split('.');
      const [, payload] = (await token('bob', good)).split('.');
      return [head, payload, signature].join('.');
    }],
    ['empty', () => ''],
    ['no token at all', () => 'x'.repeat(100)],
  ]) {
    test(what, async (t) => {
      await refused(t, suite.url, authorization(await make()), why);
    });
  }

  test('none', async (t) => {
    await refused(t, suite.url);
    await refused(t, suite.url, { connectHeaders: { login: 'ada', passcode: 'secret' } });
    await refused(t, suite.url, { connectHeaders: { Authorization: 'Basic YWRhOng=' } });
  });

  test('after an invalid one, beforeConnect sets a valid one', async (t) => {
    const wrong = await token('ada', good, randomBytes(32));
    const expired = await token('ada', { ...good, exp: inSeconds(-60) });
    const c = await connect(t, suite.url, tokensInTurn(wrong, expired, await token('ada', good)));
    for (const error of await c.errors.take(2)) {
      assert.equal(error.headers.message, 'authentication-failed');
    }
    for (const close of await c.closed.take(2)) {
      assert.equal(close.code, 1008);
    }
    assert.equal(c.opened.headers['user-name'], 'ada');
    await c.fence();
    assert.equal(c.errors.size + c.closed.size, 0);
  });
});

describe('keys of a JWKS URL', { concurrency: 4 }, () => {
  const algorithms = ['RS256', 'ES256', 'EdDSA'];
  const keys = {};
  let server;
  before(async () => {
    for (const alg of algorithms) {
      keys[alg] = await SigningKey.make(alg, `key-${alg}`);
    }
    server = await KeyServer.start(Object.values(keys));
  });
  after(() => server?.stop());
  const suite = suiteBroker({}, () => withKeysOf(server));
  keepsTokensSecret(suite);

  function withKeysOf(s, jwt = {}) {
    return configuration({ secret: '', algorithms, jwks_url: s.url, ...jwt });
  }

  /** A key server for one test, and a broker that uses it. */
  async function start(t, keys, jwt) {
    const server = await KeyServer.start(keys);
    t.after(() => server.stop());
    const { url } = await startBroker(t, {}, withKeysOf(server, jwt));
    return { server, url };
  }

  for (const alg of algorithms) {
    test(`${alg}`, async (t) => {
      const key = keys[alg];
      const c = await connect(t, suite.url, authorization(await key.token('ada', { roles: ['reader'] })));
      assert.equal(c.opened.headers['user-name'], 'ada');
      await c.subscribe('/topic/news.x');
      await connect(t, suite.url, authorization(await key.token('ada', {}, { kid: undefined })));
      const stranger = await SigningKey.make(alg, key.kid);
      await refused(t, suite.url, authorization(await stranger.token('ada')));
      await refused(t, suite.url, authorization(await stranger.token('ada', {}, { jwk: stranger.jwk })));
    });
  }

  test('a public key is not a secret', async (t) => {
    const { publicKey, kid } = keys.RS256;
    const pem = await exportSPKI(publicKey);
    await refused(t, suite.url, authorization(await token('ada', {}, pem, { alg: 'HS256', kid })));
  });

  test("one key's name, another's signature", async (t) => {
    await refused(t, suite.url, authorization(await keys.ES256.token('ada', {}, { kid: keys.RS256.kid })));
  });

  test('a new key is accepted at once, without waiting for the next refresh', async (t) => {
    const [first, second] = [await SigningKey.make('ES256', 'first'), await SigningKey.make('ES256', 'second')];
    const { server, url } = await start(t, [first], { jwks_refresh: '5m' });
    await connect(t, url, authorization(await first.token('ada')));
    assert.equal(server.requests(), 1);
    server.keys = [first, second];
    await connect(t, url, authorization(await second.token('ada')));
    assert.equal(server.requests(), 1);
    await connect(t, url, authorization(await first.token('ada')));
    await connect(t, url, authorization(await second.token('bob')));
    assert.equal(server.requests(), 0);
  });

  test('refreshes add and remove keys', async (t) => {
    const [first, second] = [await SigningKey.make('ES256', 'first'), await SigningKey.make('EdDSA', 'second')];
    const { server, url } = await start(t, [first], { jwks_refresh: '1s' });
    await connect(t, url, authorization(await first.token('ada')));
    server.keys = [second];
    await server.takenIn();
    await connect(t, url, authorization(await second.token('ada')));
    await refused(t, url, authorization(await first.token('ada')));
    await refused(t, url, authorization(await first.token('ada', {}, { kid: undefined })));
  });

  test('while the key server fails, the last keys stay valid', async (t) => {
    const key = await SigningKey.make('ES256', 'only');
    const { server, url } = await start(t, [key], { jwks_refresh: '1s' });
    server.status = 503;
    await server.takenIn();
    await connect(t, url, authorization(await key.token('ada')));
    await refused(t, url, authorization(await (await SigningKey.make('ES256', 'unknown')).token('ada')));
  });
});

describe('the expiry of a token', { concurrency: 8 }, () => {
  const suite = suiteBroker({}, configuration());
  keepsTokensSecret(suite);

  /** Waits until a given time, with a session that ends then. */
  async function waitUntil(t, seconds) {
    const c = await connect(t, suite.url, await bearer('clock', { exp: seconds }));
    await endsWithError(c, 'token-expired', 1008);
    assert.ok(Date.now() >= seconds * 1000);
  }

  test('ends the session, and beforeConnect sets a new one', async (t) => {
    const exp = inSeconds(8);
    const c = await connect(t, suite.url, tokensInTurn(await token('ada', { exp }), await token('ada')));
    const error = await c.errors.next();
    const late = Date.now() - exp * 1000;
    assert.equal(error.headers.message, 'token-expired');
    assert.match(error.body, /\/hoofbeat\/token/);
    assert.ok(late >= 0, `it came ${-late} ms before the token's end`);
    assert.equal((await c.closed.next()).code, 1008);
    await c.connected.next();
    await c.fence();
    assert.equal(c.errors.size + c.closed.size, 0);
  });

  test('a new one by SEND keeps the session until that expires', async (t) => {
    const exp = inSeconds(8);
    const c = await connect(t, suite.url, await bearer('ada', { exp }));
    const inbox = await c.subscribe('/topic/inbox.ada.x');
    await c.sendWithReceipt(tokenDestination, await token('ada', { exp: exp + 8 }));
    await waitUntil(t, exp + 1);
    const writer = await connect(t, suite.url, await bearer('writer', { roles: ['writer'] }));
    await writer.sendWithReceipt('/topic/inbox.ada.x', 'still here');
    assert.equal((await inbox.next()).body, 'still here');
    await c.fence();
    assert.equal(c.errors.size + c.closed.size, 0);
    await endsWithError(c, 'token-expired', 1008);
    assert.ok(Date.now() >= (exp + 8) * 1000);
  });

  test('a new one by SEND, many times', async (t) => {
    const c = await connect(t, suite.url, await bearer('ada'));
    for (let i = 1; i <= 20; i++) {
      await c.sendWithReceipt(tokenDestination, await token('ada', { exp: inSeconds(60 + i) }));
    }
    await c.fence();
  });

  test('a new one by SEND with more rights', async (t) => {
    const c = await connect(t, suite.url, await bearer('ada'));
    await c.sendWithReceipt(tokenDestination, await token('ada', { roles: ['reader'] }));
    await c.subscribe('/topic/news.x');
  });

  test('a new one by SEND with fewer rights', async (t) => {
    const c = await connect(t, suite.url, await bearer('ada', { roles: ['reader'] }));
    const inbox = await c.subscribe('/topic/news.x');
    c.send(tokenDestination, await token('ada'));
    const error = await denied(c, 'ada', '/topic/news.x');
    assert.equal(error.headers.subscription, inbox.id);
  });

  for (const [what, make] of [
    ['of another user', () => token('bob')],
    ['of another secret', () => token('ada', {}, randomBytes(32))],
    ['that has expired', () => token('ada', { exp: inSeconds(-60) })],
    ['that is empty', () => ''],
  ]) {
    test(`a new one by SEND ${what}`, async (t) => {
      const c = await connect(t, suite.url, await bearer('ada'));
      c.send(tokenDestination, await make(), { receipt: 'r:1' });
      const error = await endsWithError(c, 'authentication-failed', 1008);
      assert.equal(error.headers['receipt-id'], 'r:1');
    });
  }

  // The sources of tokens at connect do not matter for a refresh by SEND.
  for (const [source, jwt, options] of [
    ['passcode', { sources: ['passcode'] }, (token) => ({ connectHeaders: { passcode: token } })],
    ['http', { sources: ['http'] }, (token, url) => httpHeaders(url, { authorization: `Bearer ${token}` })],
  ]) {
    test(`a new one by SEND, if only ${source} is a source`, async (t) => {
      const { url } = await startBroker(t, {}, configuration(jwt));
      const c = await connect(t, url, options(await token('ada'), url));
      await c.sendWithReceipt(tokenDestination, await token('ada', { roles: ['reader'] }));
      await c.subscribe('/topic/news.x');
    });
  }
});

describe('permissions', { concurrency: 4 }, () => {
  const suite = suiteBroker({}, configuration());
  keepsTokensSecret(suite);
  const as = async (t, user, ...roles) => connect(t, suite.url, await bearer(user, { roles }));

  test('SEND', async (t) => {
    const [writer, reader] = [await as(t, 'wendy', 'writer'), await as(t, 'rose', 'reader')];
    const topic = unique('/topic/news.');
    const inbox = await reader.subscribe(topic);
    reader.send(topic, 'not allowed', { receipt: 'r:1' });
    const error = await denied(reader, 'rose', topic);
    assert.equal(error.headers['receipt-id'], 'r:1');
    assert.equal(inbox.size, 0);
    const again = await (await as(t, 'rose', 'reader')).subscribe(topic);
    await writer.sendWithReceipt(topic, 'allowed');
    assert.equal((await again.next()).body, 'allowed');
  });

  test('SEND in a transaction', async (t) => {
    const reader = await as(t, 'rose', 'reader');
    const transaction = reader.client.begin();
    reader.send('/topic/news.x', '', { transaction: transaction.id });
    await denied(reader, 'rose', '/topic/news.x');
  });

  test('SUBSCRIBE', async (t) => {
    const c = await as(t, 'wendy', 'writer');
    c.client.subscribe('/topic/news.x', () => {}, { receipt: 'r:2' });
    const error = await denied(c, 'wendy', '/topic/news.x');
    assert.equal(error.headers['receipt-id'], 'r:2');
  });

  test('a denial wins', async (t) => {
    const reader = await as(t, 'rose', 'reader');
    reader.client.subscribe('/topic/news/secret/x', () => {});
    await denied(reader, 'rose', '/topic/news/secret/x');
    const writer = await as(t, 'wendy', 'writer');
    writer.send('/topic/news.secret', '');
    await denied(writer, 'wendy', '/topic/news.secret');
  });

  for (const [prefix, wildcard] of [
    ['/topic/news.NEW.', '**'], ['/topic/news.NEW.', '*'], ['/topic/news/NEW/', '#'], ['/topic/news.NEW.', '>'], ['/topic/inbox.rose.', '**'],
  ]) {
    test(`the pattern ${prefix}${wildcard} is granted`, async (t) => {
      const [reader, writer] = [await as(t, 'rose', 'reader'), await as(t, 'wendy', 'writer')];
      const allowed = prefix.replace('NEW', unique('new'));
      const inbox = await reader.subscribe(allowed + wildcard);
      writer.send(`${allowed}x`, 'matches');
      const m = await inbox.next();
      assert.equal(m.body, 'matches');
      assert.equal(m.headers.destination, `${allowed}x`);
    });
  }

  for (const pattern of [
    '/topic/**', '/topic/#', '/topic/>', '/topic/*', '/topic/*.sport', '/topic/inbox.**', '/topic/inbox.*.x', // more than is allowed
    '/topic/news.**', '/topic/news/*/today', // partly denied: /topic/news.secret
  ]) {
    test(`the pattern ${pattern} is refused`, async (t) => {
      const reader = await as(t, 'rose', 'reader');
      reader.client.subscribe(pattern, () => {});
      await denied(reader, 'rose', pattern);
    });
  }

  test('{user} is the own inbox', async (t) => {
    const [ada, bob, writer] = [await as(t, 'ada'), await as(t, 'bob'), await as(t, 'wendy', 'writer')];
    const ofAda = await ada.subscribe('/topic/inbox.ada.**');
    bob.client.subscribe('/topic/inbox.ada.**', () => {});
    await denied(bob, 'bob', '/topic/inbox.ada.**');
    writer.send('/topic/inbox.ada.mail', 'to ada');
    assert.equal((await ofAda.next()).body, 'to ada');
  });

  for (const [user, destination] of [
    ['*', '/topic/inbox.*.x'], ['**', '/topic/inbox.**'], ['a.b', '/topic/inbox.a.b.x'], ['a/b', '/topic/inbox/a/b/x'], ['#', '/topic/inbox.#'],
  ]) {
    test(`{user} for the user ${user} is literal`, async (t) => {
      const c = await as(t, user);
      c.client.subscribe(destination, () => {});
      await denied(c, user, destination);
    });
  }

  test('/user/queue/x reaches its user only', async (t) => {
    const name = unique('x');
    const [ada, adaToo, bob] = [await as(t, 'ada'), await as(t, 'ada'), await as(t, 'bob')];
    const inboxes = [];
    for (const c of [ada, adaToo, bob]) {
      inboxes.push(await c.subscribe(`/user/queue/${name}`));
    }
    const [ofAda, ofAdaToo, ofBob] = inboxes;
    const writer = await as(t, 'wendy', 'writer');
    await writer.sendWithReceipt(`/user/ada/queue/${name}`, 'to ada');
    await writer.sendWithReceipt(`/user/bob/queue/${name}`, 'to bob');
    for (const inbox of [ofAda, ofAdaToo]) {
      const m = await inbox.next();
      assert.equal(m.body, 'to ada');
      assert.equal(m.headers.destination, `/user/queue/${name}`);
    }
    assert.equal((await ofBob.next()).body, 'to bob');
    for (const c of [ada, adaToo, bob]) {
      await c.fence();
    }
    assert.equal(ofAda.size + ofAdaToo.size + ofBob.size, 0);
  });

  test('sending to or reading for a user needs a right', async (t) => {
    const ada = await as(t, 'ada');
    ada.send('/user/bob/queue/x', '');
    await denied(ada, 'ada', '/user/bob/queue/x');
    const other = await as(t, 'ada');
    other.client.subscribe('/user/bob/queue/x', () => {});
    await endsWithError(other, 'invalid-destination', 1002);
  });
});

describe('rules that change', { concurrency: 4 }, () => {
  const without = (...names) => rules.filter((r) => !names.includes(r.name));

  test('a subscription that loses its right ends the connection', async (t) => {
    const broker = await startBroker(t, {}, configuration());
    const rose = await connect(t, broker.url, await bearer('rose', { roles: ['reader'] }));
    const ada = await connect(t, broker.url, await bearer('ada', { roles: ['reader'] }));
    const [lost, kept] = [await rose.subscribe('/topic/news.x'), await ada.subscribe('/topic/inbox.ada.x')];
    broker.configure(configuration({}, {}, without('rule-readers')));
    const error = await denied(rose, 'rose', '/topic/news.x');
    assert.equal(error.headers.subscription, lost.id);
    const writer = await connect(t, broker.url, await bearer('wendy', { roles: ['writer'] }));
    await writer.sendWithReceipt('/topic/inbox.ada.x', 'still here');
    assert.equal((await kept.next()).body, 'still here');
    ada.client.subscribe('/topic/news.x', () => {});
    await denied(ada, 'ada', '/topic/news.x');
  });

  test('the right to send ends, too', async (t) => {
    const broker = await startBroker(t, {}, configuration());
    const c = await connect(t, broker.url, await bearer('wendy', { roles: ['writer', 'reader'] }));
    const witness = await connect(t, broker.url, await bearer('rose', { roles: ['reader'] }));
    await c.sendWithReceipt('/topic/news.x', '');
    await witness.subscribe('/topic/news.x');
    broker.configure(configuration({}, {}, without('rule-readers', 'rule-writers')));
    await denied(witness, 'rose', '/topic/news.x');
    const later = await connect(t, broker.url, await bearer('wendy', { roles: ['writer', 'reader'] }));
    for (const client of [later, c]) {
      client.send('/topic/news.x', '');
      await denied(client, 'wendy', '/topic/news.x');
    }
  });

  test('with receipt-error, a refused SUBSCRIBE leaves the connection open', async (t) => {
    const { url } = await startBroker(t, {}, configuration({}, { on_denied_subscribe: 'receipt-error' }));
    const c = await connect(t, url, await bearer('rose', { roles: ['reader'] }));
    const writer = await connect(t, url, await bearer('wendy', { roles: ['writer'] }));
    const news = await c.subscribe('/topic/news.x');
    const refused = c.inbox('a MESSAGE that was refused');
    c.client.subscribe('/topic/**', (m) => refused.put(m), { id: 'all', receipt: 'r:3' });
    const error = await c.errors.next();
    assert.equal(error.headers.message, 'access-denied');
    assert.equal(error.headers['receipt-id'], 'r:3');
    assert.equal(error.headers.subscription, 'all');
    assertNames(error, 'rose', '/topic/**');
    writer.send('/topic/news.x', 'goes on');
    assert.equal((await news.next()).body, 'goes on');
    const sport = await c.subscribe('/topic/news.sport', { id: 'all' }); // the id is free again
    writer.send('/topic/news.sport', 'goal');
    assert.equal((await sport.next()).body, 'goal');
    await c.fence();
    assert.equal(refused.size + c.errors.size + c.closed.size, 0);
    assert.ok(!c.framesIn('RECEIPT').some((m) => m.includes('r\\c3')), 'there is no RECEIPT for it');
    c.send('/topic/news.x', '');
    await denied(c, 'rose', '/topic/news.x');
  });

  test('with receipt-error, a lost subscription leaves the connection open, and may come back', async (t) => {
    const config = (acl) => configuration({}, { on_denied_subscribe: 'receipt-error' }, acl);
    const broker = await startBroker(t, {}, config(rules));
    const c = await connect(t, broker.url, await bearer('rose', { roles: ['reader'] }));
    const writer = await connect(t, broker.url, await bearer('wendy', { roles: ['writer'] }));
    const [news, inbox] = [await c.subscribe('/topic/news.x'), await c.subscribe('/topic/inbox.rose.x')];
    const loses = async (subscription, destination) => {
      const error = await c.errors.next();
      assert.equal(error.headers.message, 'access-denied');
      assert.equal(error.headers.subscription, subscription.id);
      assertNames(error, 'rose', destination);
    };

    broker.configure(config(without('rule-readers')));
    await loses(news, '/topic/news.x');
    await writer.sendWithReceipt('/topic/news.x', 'not for her');
    await writer.sendWithReceipt('/topic/inbox.rose.x', 'for her');
    assert.equal((await inbox.next()).body, 'for her');
    await c.fence();
    assert.equal(news.size, 0);

    broker.configure(config(without('rule-inbox')));
    await loses(inbox, '/topic/inbox.rose.x');
    const again = await c.subscribe('/topic/news.x');
    await writer.sendWithReceipt('/topic/news.x', 'for her again');
    assert.equal((await again.next()).body, 'for her again');
    await c.fence();
    assert.equal(news.size + c.errors.size + c.closed.size, 0);
  });
});
