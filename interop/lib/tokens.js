// Tokens, and a server with the keys that verify them.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

import { SignJWT, exportJWK, generateKeyPair } from 'jose';

import { Inbox } from './wait.js';

/** The secret of tokens with HS256. */
export const secret = randomBytes(24).toString('base64');

/** A time in whole seconds, as in tokens. */
export function inSeconds(n) {
  return Math.floor(Date.now() / 1000) + n;
}

/** Signs claims. An undefined claim is omitted. */
export function sign(claims, key, header) {
  return new SignJWT({ exp: inSeconds(60), ...claims }).setProtectedHeader(header).sign(key);
}

/** A token for a user, signed with the secret. */
export function token(user, claims = {}, key = secret, header = { alg: 'HS256' }) {
  return sign({ sub: user, ...claims }, Buffer.from(key), header);
}

/** The same as an option of the client. */
export async function bearer(user, claims) {
  return authorization(await token(user, claims));
}

export function authorization(text) {
  return { connectHeaders: { Authorization: `Bearer ${text}` } };
}

/** A key pair with a name. */
export class SigningKey {
  static async make(alg, kid) {
    const key = new SigningKey();
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
    Object.assign(key, { alg, kid, privateKey, publicKey });
    key.jwk = { ...(await exportJWK(publicKey)), alg, kid, use: 'sig' };
    return key;
  }

  /** A token for a user, signed with this key. Headers may be added, or omitted by undefined. */
  token(user, claims = {}, header = {}) {
    return sign({ sub: user, ...claims }, this.privateKey, { alg: this.alg, kid: this.kid, ...header });
  }
}

/** A web server for a JSON Web Key Set, on a free port. */
export class KeyServer {
  /** The keys that it serves. Tests may change them at any time. */
  keys;
  /** The status of its responses. */
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

  /** The number of requests since the last call, or since the start. */
  requests() {
    return this.#requests.drain().length;
  }

  /**
   * Waits until the broker (the only client) has read the present keys: for one more request that begins after the
   * response to the first.
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
