// Tokens, and a server with the keys that they are signed with.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

import { SignJWT, exportJWK, generateKeyPair } from 'jose';

import { Inbox } from './wait.js';

/** The secret of tokens with HS256. */
export const secret = randomBytes(24).toString('base64');

/** A time in whole seconds, as tokens have it. */
export function inSeconds(n) {
  return Math.floor(Date.now() / 1000) + n;
}

/** Signs claims. A claim that is undefined is left out. */
export function sign(claims, key, header) {
  return new SignJWT({ exp: inSeconds(60), ...claims }).setProtectedHeader(header).sign(key);
}

/** A token of a user that the secret signed. */
export function token(user, claims = {}, key = secret, header = { alg: 'HS256' }) {
  return sign({ sub: user, ...claims }, Buffer.from(key), header);
}

/** The same as an option of a client's. */
export async function bearer(user, claims) {
  return authorization(await token(user, claims));
}

export function authorization(text) {
  return { connectHeaders: { Authorization: `Bearer ${text}` } };
}

/** A pair of keys with a name. */
export class SigningKey {
  static async make(alg, kid) {
    const key = new SigningKey();
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
    Object.assign(key, { alg, kid, privateKey, publicKey });
    key.jwk = { ...(await exportJWK(publicKey)), alg, kid, use: 'sig' };
    return key;
  }

  /** A token of a user that this key signed. Headers may be added, or left out as undefined. */
  token(user, claims = {}, header = {}) {
    return sign({ sub: user, ...claims }, this.privateKey, { alg: this.alg, kid: this.kid, ...header });
  }
}

/** A web server, on a port of its own, with a JSON Web Key Set. */
export class KeyServer {
  /** What is served; it may be changed at any time. */
  keys;
  /** The status of its answers. */
  status = 200;
  #requests = new Inbox('a request for the keys');

  static async start(keys) {
    const s = new KeyServer();
    s.keys = keys;
    s.server = createServer((_, response) => {
      s.#requests.put();
      response.writeHead(s.status, { 'content-type': 'application/jwk-set+json' });
      response.end(JSON.stringify({ keys: s.keys.map((k) => k.jwk) }));
    });
    s.server.listen(0, '127.0.0.1');
    await once(s.server, 'listening');
    s.url = `http://127.0.0.1:${s.server.address().port}/jwks.json`;
    return s;
  }

  /** How many requests came since the last call, or since it was started. */
  requests() {
    return this.#requests.drain().length;
  }

  /**
   * Waits until the only broker that asks has taken in what is served now: one
   * more request that begins after the answer to the first.
   */
  async takenIn() {
    this.#requests.drain();
    await this.#requests.take(2);
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}
