// A scripted admin listener that follows the API's contract: many queues, strange names, failures, slow responses. It
// serves the console from the tree with the console's policy. It is not a broker.
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..', '..', 'admin', 'console');
const policy = readFileSync(path.join(root, 'policy.txt'), 'utf8').trim().split('\n').join('; ');
const kinds = { '.html': 'text/html', '.css': 'text/css', '.svg': 'image/svg+xml', '.js': 'text/javascript', '.mjs': 'text/javascript' };

/** An error response in the API's format. */
class Refusal {
  constructor(status, error, message) {
    Object.assign(this, { status, body: { error, message } });
  }
}

const started = new Date(Date.now() - 5 * 3600_000).toISOString();

/** Its initial state. Tests may change it. */
function state() {
  return {
    me: { user: 'anna', method: 'loopback', read: true, write: true },
    overview: {
      version: 'v1.0.0', commit: '0123456789abcdef', started, ready: true, reasons: [], draining: false, stomp_path: '/ws',
      listeners: [{ kind: 'websocket', url: 'ws://127.0.0.1:15674/ws' }], storage: { directory: true, sync: 'always' },
      connections: 3, subscriptions: 5, users: 2, queues: 2, topics: 1, messages_ready: 4, messages_unacked: 1, messages_delayed: 0, outbound_bytes: 0,
      totals: { received: 100, delivered: 300, published: 100, acked: 90, requeued: 0, rejected: 0, expired: 0, dropped: 0, dead_lettered: 0, unroutable: 0, refused: 0 },
      memory_bytes: 50 << 20, goroutines: 40,
    },
    queues: [queue('/queue/orders', { ready: 3 }), queue('/queue/dead.orders', { ready: 1 })],
    messages: new Map(), // lists of messages, by queue
    connections: [], subscriptions: [], topics: [], users: [], policies: [], revocations: [], settings: [],
    level: 'info',
  };
}

/** A queue with the given properties only. */
export function queue(name, given = {}) {
  return { name, durable: true, ready: 0, unacked: 0, delayed: 0, consumers: 0, bytes: 0, totals: { enqueued: 0, delivered: 0, redelivered: 0, acked: 0 }, ...given };
}

/** A message with the given properties only. */
export function message(sequence, given = {}) {
  return { sequence, destination: '/queue/orders', headers: [], size: 100, priority: 4, deliveries: 0, failures: 0, arrived: started, body: 'hello', body_bytes: 5, ...given };
}

export class FakeAdmin {
  state = state();
  /** Requests received, like "GET /api/v1/me". */
  requests = [];
  /** Changes requested: [path, body]. */
  changes = [];
  /**
   * By path: a function of (query or body, request, response) that answers instead; undefined means the usual
   * answer.
   */
  instead = {};
  #server;
  #port = 0;

  static async start() {
    const fake = new FakeAdmin();
    await fake.open();
    return fake;
  }

  /** Listens, on the same port each time. */
  async open() {
    this.#server = createServer((request, response) => this.#serve(request, response));
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = this.#server.address().port;
    this.url = `http://127.0.0.1:${this.#port}/`;
  }

  /** Closes all connections and refuses new ones. */
  async close() {
    if (!this.#server.listening) {
      return;
    }
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request, response) {
    const url = new URL(request.url, this.url);
    if (url.pathname.startsWith('/api/v1/')) {
      this.requests.push(`${request.method} ${request.url}`);
      await this.#api(request, response, url);
      return;
    }
    const file = url.pathname === '/' ? 'index.html' : url.pathname.replace(/^\/console\//, '');
    const at = path.join(root, 'files', file);
    if (!at.startsWith(path.join(root, 'files')) || !existsSync(at)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': `${kinds[path.extname(file)]}; charset=utf-8`, 'content-security-policy': policy, 'cache-control': 'no-cache' }).end(readFileSync(at));
  }

  async #api(request, response, url) {
    const name = url.pathname.slice('/api/v1/'.length);
    const given = request.method === 'POST' ? JSON.parse(Buffer.concat(await request.toArray()).toString()) : Object.fromEntries(url.searchParams);
    let answer;
    try {
      answer = (await this.instead[name]?.(given, request, response)) ?? this.#answer(request.method, name, given);
    } catch (error) {
      if (!(error instanceof Refusal)) {
        throw error;
      }
      answer = error;
    }
    if (response.headersSent || response.destroyed) {
      return;
    }
    const refused = answer instanceof Refusal;
    response.writeHead(refused ? answer.status : 200, { 'content-type': 'application/json' }).end(JSON.stringify(refused ? answer.body : answer));
  }

  #answer(method, name, given) {
    const handle = method === 'GET' ? this.#gets[name] : this.#posts[name];
    if (!handle) {
      throw new Refusal(404, 'unknown-path', 'there is nothing at this path');
    }
    if (method === 'POST' && name !== 'acl/explain') {
      this.changes.push([name, given]);
    }
    return handle(given);
  }

  refuse(status, word, text) {
    return new Refusal(status, word, text);
  }

  #page(items, list, given) {
    const at = Number(given.after ?? 0);
    const limit = Number(given.limit ?? 100);
    return { [items]: list.slice(at, at + limit), ...(at + limit < list.length && { next: String(at + limit) }), total: list.length };
  }

  #queue(name) {
    const found = this.state.queues.find((q) => q.name === name);
    if (!found) {
      throw new Refusal(404, 'unknown-queue', 'there is no such queue');
    }
    return found;
  }

  #waiting(name) {
    return this.state.messages.get(name) ?? [];
  }

  #gets = {
    me: () => this.state.me,
    overview: () => this.state.overview,
    connections: (g) => this.#page('connections', this.state.connections.filter((c) => !g.q || `${c.id} ${c.user} ${c.remote}`.includes(g.q)), g),
    connection: (g) => this.state.connections.find((c) => c.id === g.id) ?? new Refusal(404, 'unknown-connection', 'there is no such connection'),
    subscriptions: (g) => this.#page('subscriptions', this.state.subscriptions.filter((s) => !g.destination || s.destination.includes(g.destination)), g),
    users: (g) => this.#page('users', this.state.users, g),
    topics: (g) => this.#page('topics', this.state.topics.filter((t) => t.name.includes(g.q ?? '')), g),
    queues: (g) => {
      const by = { name: (a, b) => (a.name < b.name ? -1 : 1), ready: (a, b) => a.ready - b.ready, oldest: (a, b) => (a.oldest ?? '9') < (b.oldest ?? '9') ? -1 : 1 }[g.sort ?? 'name'];
      const sorted = this.state.queues.filter((q) => q.name.includes(g.q ?? '')).sort(by);
      return this.#page('queues', g.order === 'desc' ? sorted.reverse() : sorted, g);
    },
    queue: (g) => ({ policy: { durable: true, prefetch: 100 }, ...this.#queue(g.name) }),
    'queue/messages': (g) => {
      this.#queue(g.name);
      const skip = Number(g.skip ?? 0);
      const limit = Number(g.limit ?? 20);
      const all = this.#waiting(g.name);
      return { messages: all.slice(skip, skip + limit).map((m) => cut(m, Number(g.body ?? 1024))), ...(skip + limit < all.length && { next: skip + limit }) };
    },
    policies: () => ({ policies: this.state.policies, total: this.state.policies.length }),
    policy: (g) => ({ destination: g.destination, match: '', policy: {} }),
    revocations: (g) => this.#page('revocations', this.state.revocations, g),
    config: () => ({ settings: this.state.settings }),
    log: () => ({ level: this.state.level }),
  };

  #posts = {
    'queue/create': ({ name }) => this.state.queues.push(queue(name)) && this.#queue(name),
    'queue/purge': ({ name }) => {
      const q = this.#queue(name);
      const n = q.ready;
      q.ready = 0;
      this.state.messages.delete(name);
      return { messages: n };
    },
    'queue/delete': ({ name }) => {
      const n = this.#queue(name).ready;
      this.state.queues = this.state.queues.filter((q) => q.name !== name);
      return { messages: n };
    },
    'queue/move': ({ from }) => ({ messages: this.#queue(from).ready }),
    'connection/close': () => ({ closed: 1 }),
    'revocations/add': (r) => ({ changed: this.state.revocations.push(r) > 0 }),
    'revocations/remove': (r) => {
      this.state.revocations = this.state.revocations.filter((x) => x.kind !== r.kind || x.value !== r.value);
      return { changed: true };
    },
    'acl/explain': (q) => ({ verified: true, user: 'anna', allowed: true, explanation: `allowed to ${q.action} ${q.destination}` }),
    log: ({ level }) => ({ level: (this.state.level = level) }),
    drain: () => ({ draining: (this.state.overview.draining = true) }),
  };
}

/** A message with a truncated body. */
function cut(m, most) {
  if (m.body === undefined || m.body.length <= most) {
    return m;
  }
  return { ...m, body: m.body.slice(0, most), truncated: true };
}
