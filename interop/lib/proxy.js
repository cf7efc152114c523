// nginx and HAProxy as child processes, with the configurations of deploy/ and
// brokers of this tree behind them.
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before } from 'node:test';
import { setInterval as ticks } from 'node:timers/promises';
import tls from 'node:tls';
import { promisify } from 'node:util';

import WebSocket from 'ws';

import { Broker } from './broker.js';
import { buildBroker } from './build.js';
import { atEnd, doAll } from './cleanup.js';
import { connect } from './stompjs.js';
import { Inbox, patience, within } from './wait.js';
import { frame, parseFrame } from './wire.js';

const deploy = path.resolve(import.meta.dirname, '..', '..', 'deploy');
const run = promisify(execFile);
const PATH = `${process.env.PATH}:/usr/sbin`; // Debian's path for both

/** The reason to skip tests with a program, or false. files are further requirements. */
function whyMissing(programs, packages, ...files) {
  try {
    execFileSync('which', programs, { env: { PATH } });
    files.forEach((file) => accessSync(file));
    return false;
  } catch {
    const why = `not installed: apt-get install ${packages.join(' ')}`;
    if (process.env.CI === 'true') {
      throw new Error(`${why}; with CI=true nothing may be skipped`);
    }
    return why;
  }
}

/** Waits until a condition holds. */
export async function until(what, condition, ms = patience) {
  const end = Date.now() + ms;
  for await (const _ of ticks(20)) {
    const value = await condition();
    if (value) {
      return value;
    }
    assert.ok(Date.now() < end, `${what}: not within ${ms} ms`);
  }
}

// Process groups that must not outlive this process.
const groups = new Set();
const folders = new Set();

process.on('exit', () => {
  for (const pid of groups) {
    kill(-pid, 'SIGKILL');
  }
  for (const folder of folders) {
    rmSync(folder, { recursive: true, force: true });
  }
});

function kill(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch (error) {
    assert.equal(error.code, 'ESRCH'); // it has ended
  }
}

function temporaryFolder() {
  const folder = mkdtempSync(path.join(tmpdir(), 'hoofbeat-proxy-'));
  folders.add(folder);
  chmodSync(folder, 0o755); // nginx's workers run as another user
  return folder;
}

/** A program with its children, as a process group. Its output is its log. */
class Program {
  log = '';

  constructor(program, args) {
    this.child = spawn(program, args, { env: { PATH }, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    this.pid = this.child.pid;
    assert.ok(this.pid, `${program} cannot be started`);
    groups.add(this.pid);
    // Ends the group if this process is killed.
    const guard = spawn('sh', ['-c', 'read -r _; kill -KILL "-$0"', this.pid], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    guard.stdin.on('error', () => {});
    this.ended = once(this.child, 'exit').finally(() => {
      groups.delete(this.pid);
      guard.kill('SIGKILL');
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (this.log += text));
    }
  }

  count(text) {
    return this.log.split(text).length - 1;
  }

  /** Waits until its log contains a text this many times. */
  async says(text, times = 1) {
    const said = until(text, () => this.count(text) >= times);
    const ended = this.ended.then(() => assert.ok(this.count(text) >= times, `it ended before "${text}"`));
    try {
      await Promise.race([said, ended]);
    } catch (error) {
      throw new Error(`${error.message}\n${this.log}`);
    }
  }

  async stop() {
    kill(this.pid, 'SIGTERM');
    try {
      await within(this.ended, 'the end after SIGTERM');
    } finally {
      kill(-this.pid, 'SIGKILL'); // its remaining children
    }
  }
}

// Ports below the system's ephemeral range, because proxies and brokers that restart need the same ones. Each process
// has its own range.
let lastPort = 20000 + (process.pid % 100) * 100;

async function freePort() {
  for (;;) {
    lastPort++;
    const port = lastPort; // others may ask in the meantime
    const server = net.createServer();
    const listening = Promise.race([once(server, 'listening').then(() => true), once(server, 'error').then(() => false)]);
    server.listen(port, '127.0.0.1');
    if (await listening) {
      await new Promise((closed) => server.close(closed));
      return port;
    }
  }
}

async function freePorts(...names) {
  const ports = {};
  for (const name of names) {
    ports[name] = await freePort();
  }
  return ports;
}

/** Copies a file of deploy/ with changes: pairs of a text, which must occur, and its replacement. */
function copy(file, folder, changes, name = path.basename(file)) {
  let text = readFileSync(path.join(deploy, file), 'utf8');
  for (const [from, to] of changes) {
    assert.ok(text.includes(from), `deploy/${file} has no longer: ${from}`);
    text = text.replaceAll(from, to);
  }
  const to = path.join(folder, name);
  writeFileSync(to, text);
  return to;
}

let certificate;

/** A certificate for loopback, made once: the paths of the certificate, the key, and a file with both. */
function makeCertificate() {
  certificate ??= (async () => {
    const folder = temporaryFolder();
    const files = { cert: path.join(folder, 'cert.pem'), key: path.join(folder, 'key.pem'), both: path.join(folder, 'both.pem') };
    await run('openssl', [
      'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=stomp.example.com',
      '-addext', 'subjectAltName=DNS:stomp.example.com,IP:127.0.0.1', '-keyout', files.key, '-out', files.cert,
    ]);
    files.ca = readFileSync(files.cert, 'utf8');
    writeFileSync(files.both, files.ca + readFileSync(files.key, 'utf8'));
    return files;
  })();
  return certificate;
}

/** The common part of both proxies. */
class Proxy {
  folder = temporaryFolder();

  /**
   * Starts a proxy in front of brokers. Options: idle, the time limit for silent connections, like 2s; linger, the
   * limit for connections of an old configuration; file, a configuration other than the usual one.
   */
  static async start(brokers, options = {}) {
    const proxy = new this();
    Object.assign(proxy, { brokers, options });
    proxy.ports = await freePorts('ws', 'wss', 'tcp', 'tcps');
    proxy.certificate = await makeCertificate();
    proxy.configure();
    await proxy.check();
    try {
      await proxy.launch();
    } catch (error) {
      await proxy.program?.stop();
      throw error;
    }
    return proxy;
  }

  get log() {
    return this.program.log;
  }

  url(scheme = 'ws', prefix = '') {
    return `${scheme}://127.0.0.1:${this.ports[scheme]}${prefix}/ws`;
  }

  /** Connects stomp.js. Options: from, the client's address; headers of the handshake; and the client's options. */
  connect(t, url, { from, headers, protocols = ['v12.stomp', 'v11.stomp', 'v10.stomp'], ...options } = {}) {
    const { ca } = this.certificate;
    const webSocketFactory = () => new WebSocket(url, protocols, { ca, headers, localAddress: from });
    if (options.reconnectDelay) {
      options.connectionTimeout = 0; // its timers outlive failed attempts
    }
    return connect(t, url, { webSocketFactory, ...options });
  }

  async stop() {
    await this.program.stop();
  }
}

const workers = 2; // of nginx

export class Nginx extends Proxy {
  static title = 'nginx';
  static skip = whyMissing(['nginx', 'openssl'], ['nginx', 'libnginx-mod-stream', 'openssl'], '/usr/lib/nginx/modules/ngx_stream_module.so');
  static config = 'nginx/hoofbeat.yaml';
  /** Whether the broker learns the client's port over WebSocket, too. */
  static portKnown = false;

  configure(more = []) {
    const { folder, ports, certificate, options } = this;
    const changes = [
      ['pid /run/nginx.pid;', `pid ${folder}/nginx.pid;`],
      ['error_log /var/log/nginx/error.log;', 'error_log stderr notice;'],
      ['access_log /var/log/nginx/access.log', `${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
        .map((n) => `${n}_temp_path ${folder}/${n};`).join(' ')} access_log ${folder}/access.log`],
      ['/var/log/nginx/stream.log', `${folder}/stream.log`],
      ['worker_connections 32768;', 'worker_connections 1024;'],
      ['worker_rlimit_nofile 65536;', ''],
      ['worker_processes auto;', `worker_processes ${workers};`],
      ['listen 80;', `listen 127.0.0.1:${ports.ws};`],
      ['listen 443 ssl;', `listen 127.0.0.1:${ports.wss} ssl;`],
      ['listen 61613;', `listen 127.0.0.1:${ports.tcp};`],
      ['listen 61614 ssl;', `listen 127.0.0.1:${ports.tcps} ssl;`],
      ['/etc/nginx/tls/stomp.example.com.crt', certificate.cert],
      ['/etc/nginx/tls/stomp.example.com.key', certificate.key],
      ...this.brokers.flatMap(({ ports }, i) => [
        [`${i ? '# ' : ''}server 127.0.0.1:${15674 + i} `, `server 127.0.0.1:${ports.ws} `],
        [`${i ? '# ' : ''}server 127.0.0.1:${15613 + i} `, `server 127.0.0.1:${ports.tcp} `],
      ]),
      ...(options.idle ? ['proxy_read_timeout', 'proxy_send_timeout', 'proxy_timeout'].map((n) => [`${n} 60s;`, `${n} ${options.idle};`]) : []),
      ...(options.linger ? [['worker_shutdown_timeout 1h;', `worker_shutdown_timeout ${options.linger};`]] : []),
    ];
    this.file = copy('nginx/nginx.conf', folder, [...changes, ...more]);
  }

  #args(...more) {
    return ['-e', 'stderr', '-c', this.file, ...more];
  }

  check() {
    return run('nginx', this.#args('-t'), { env: { PATH } });
  }

  async launch() {
    this.program = new Program('nginx', this.#args('-g', 'daemon off;'));
    await this.program.says('start worker process ', workers);
  }

  /** Reloads with changes, and waits until the new workers have taken over. */
  async reload(changes) {
    this.configure(changes);
    const started = this.program.count('start worker process ');
    await run('nginx', this.#args('-s', 'reload'), { env: { PATH } });
    await this.program.says('start worker process ', started + workers);
    await this.program.says('gracefully shutting down', started); // all old workers
  }

  /** Its log of requests. */
  accessLog() {
    return readFileSync(path.join(this.folder, 'access.log'), 'utf8');
  }

  async stop() {
    await super.stop();
    // A worker that is already ending when all are stopped logs its open connections.
    assert.doesNotMatch(this.log, /\[(emerg|alert|crit)\] (?!\d+#\d+: (\*\d+ open socket #\d+ left in connection \d+|aborting)$)/m);
  }
}

export class HAProxy extends Proxy {
  static title = 'HAProxy';
  static skip = whyMissing(['haproxy', 'openssl'], ['haproxy', 'openssl']);
  static config = 'haproxy/hoofbeat.yaml';
  static portKnown = true;

  configure(more = []) {
    const { folder, ports, certificate, options } = this;
    const through = options.file === 'passthrough.cfg';
    const changes = [
      ['log /dev/log local0', 'log stdout format raw local0'],
      ...['chroot /var/lib/haproxy', 'user haproxy', 'group haproxy'].map((line) => [`    ${line}\n`, '']), // need root
      ['/run/haproxy/admin.sock', `${folder}/admin.sock`],
      ['maxconn 30000', 'maxconn 1000'],
      ['inter 2s fastinter 500ms downinter 1s', 'inter 100ms fastinter 50ms downinter 50ms'],
      ['    timeout connect 5s\n', '    timeout connect 5s\n    timeout check 10s\n'], // default: inter, too short on a busy machine
      ['bind :443', `bind 127.0.0.1:${ports.wss}`],
      ['bind :61614', `bind 127.0.0.1:${ports.tcps}`],
      ...(through ? [] : [
        ['bind :80 ', `bind 127.0.0.1:${ports.ws} `],
        ['bind :61613', `bind 127.0.0.1:${ports.tcp}`],
        ['/etc/haproxy/tls/stomp.example.com.pem', certificate.both],
      ]),
      ...this.brokers.flatMap(({ ports }, i) => [
        [`${i ? '# ' : ''}server b${i + 1} `, `server b${i + 1} `],
        [`127.0.0.1:${15674 + i} `, `127.0.0.1:${ports.ws} `],
        [`127.0.0.1:${15613 + i} `, `127.0.0.1:${ports.tcp} `],
        [`check port ${15680 + i}`, `check port ${ports.admin}`],
      ]),
      ...(options.idle ? ['client', 'server', ...(through ? [] : ['tunnel'])].map((n) => [`timeout ${n} 60s`, `timeout ${n} ${options.idle}`]) : []),
      ...(options.linger ? [['hard-stop-after 1h', `hard-stop-after ${options.linger}`]] : []),
    ];
    this.file = copy(`haproxy/${options.file ?? 'haproxy.cfg'}`, folder, [...changes, ...more]);
  }

  check() {
    return run('haproxy', ['-c', '-f', this.file], { env: { PATH } });
  }

  async launch() {
    // Like Debian's unit, without systemd's -Ws.
    this.program = new Program('haproxy', ['-W', '-f', this.file, '-S', path.join(this.folder, 'master.sock')]);
    await this.#loaded(1);
  }

  /**
   * Waits until it has loaded its configuration this many times and its master answers; the master misses earlier
   * signals.
   */
  async #loaded(times) {
    await this.program.says('Loading success', times);
    await until('the master answers', async () => (await this.#ask('master.sock', 'show proc').catch(() => '')).includes('worker'));
  }

  async #ask(name, question) {
    const socket = net.connect(path.join(this.folder, name));
    socket.setEncoding('utf8').write(`${question}\n`);
    let text = '';
    const answer = (async () => {
      for await (const part of socket) {
        text += part;
        if (text.endsWith('\n\n')) {
          return text;
        }
      }
      throw new Error(`half an answer to ${question}: ${text}`);
    })();
    return within(answer, `an answer to ${question}`).finally(() => socket.destroy());
  }

  async reload(changes) {
    this.configure(changes);
    const loaded = this.program.count('Loading success');
    kill(this.program.pid, 'SIGUSR2');
    await this.#loaded(loaded + 1);
  }

  accessLog() {
    return this.log;
  }

  /** The servers of a backend: [{ svname, status, scur, stot, ... }]. */
  async servers(backend = 'hoofbeat') {
    const text = await this.#ask('admin.sock', 'show stat');
    const [head, ...lines] = text.replace(/^# /, '').trim().split('\n').map((line) => line.split(','));
    return lines.map((line) => Object.fromEntries(head.map((name, i) => [name, line[i]])))
      .filter((s) => s.pxname === backend && !['FRONTEND', 'BACKEND'].includes(s.svname));
  }

  /**
   * Waits until it takes a server out of a backend, and returns the reason from its log; in the statistics a later
   * check may overwrite it.
   */
  whyDown(server, backend = 'hoofbeat') {
    const line = new RegExp(`^Server ${backend}/${server} is DOWN, reason: (.*?), check duration`, 'm');
    return until(`HAProxy logs that ${server} is down`, () => line.exec(this.log)?.[1]);
  }

  async status(server, status) {
    await until(`HAProxy finds ${server} ${status}`, async () => (await this.servers()).find((s) => s.svname === server).status === status);
  }
}

export const proxies = [Nginx, HAProxy];

/** A broker with the configuration for a proxy. Flags are those of `hoofbeat serve`. */
export async function startBrokerBehind(Kind, flags = {}) {
  const ports = await freePorts('ws', 'tcp', 'admin');
  const broker = await Broker.start({
    'config': path.join(deploy, Kind.config),
    'listen-websocket-address': `127.0.0.1:${ports.ws}`,
    'listen-tcp-address': `127.0.0.1:${ports.tcp}`,
    'listen-admin-address': `127.0.0.1:${ports.admin}`,
    ...flags,
  });
  broker.ports = ports;
  return broker;
}

/** A broker with its own certificate, configured for HAProxy's passthrough. */
export async function startBrokerWithTLS() {
  const folder = temporaryFolder();
  const ports = await freePorts('ws', 'tcp', 'admin');
  const { cert, key } = await makeCertificate();
  const config = copy('haproxy/passthrough.yaml', folder, [
    ['/etc/hoofbeat/tls/stomp.example.com.crt', cert],
    ['/etc/hoofbeat/tls/stomp.example.com.key', key],
    ['127.0.0.1:15674', `127.0.0.1:${ports.ws}`],
    ['127.0.0.1:15613', `127.0.0.1:${ports.tcp}`],
    ['127.0.0.1:15680', `127.0.0.1:${ports.admin}`],
  ], 'hoofbeat.yaml');
  const program = new Program(process.env.BROKER_BIN ?? (await buildBroker(folder)), ['serve', `--config=${config}`, '--storage-directory=']);
  await program.says('hoofbeat answers operators');
  return Object.assign(program, { ports });
}

/** Starts a proxy in front of a broker. Both end with the test. */
export async function startBehind(t, Kind, flags, options) {
  const broker = await startBrokerBehind(Kind, flags);
  atEnd(t, () => broker.stop());
  const proxy = await Kind.start([broker], options);
  atEnd(t, () => proxy.stop());
  return { broker, proxy };
}

/** Starts a proxy in front of two brokers. All end with the test. */
export async function startBeforeTwo(t, Kind, flags) {
  const brokers = [];
  for (let i = 0; i < 2; i++) {
    const broker = await startBrokerBehind(Kind, flags);
    atEnd(t, () => broker.stop());
    brokers.push(broker);
  }
  const proxy = await Kind.start(brokers);
  atEnd(t, () => proxy.stop());
  return { brokers, proxy };
}

/** Within describe: the same for all its tests. */
export function suiteBehind(Kind, flags, options) {
  const suite = {};
  before(async () => {
    suite.broker = await startBrokerBehind(Kind, flags);
    suite.proxy = await Kind.start([suite.broker], options);
  });
  after(() => doAll([() => suite.proxy?.stop(), () => suite.broker?.stop()]));
  return suite;
}

let addresses = 0;

/** A loopback address that no other client, proxy or broker uses. */
export function clientAddress() {
  addresses++;
  return `127.${100 + (process.pid % 100)}.${addresses}.1`;
}

/** STOMP over TCP, frame by frame. Counts received heart-beats. */
export class Stream {
  frames = new Inbox('a frame', () => ` (over TCP from ${this.#local}: ${this.#end}, ${this.#data.length} bytes of a frame are there)`);
  heartBeats = 0;
  #data = Buffer.alloc(0);
  #behindFrame = false; // the LF after the last frame has not come yet
  #local;
  #end = 'open';

  /** Opens a connection that ends with the test. Options: from, the client's address; secure, for TLS. */
  static async open(t, proxy, { from, secure = false } = {}) {
    const s = new Stream();
    const where = { host: '127.0.0.1', port: secure ? proxy.ports.tcps : proxy.ports.tcp, localAddress: from };
    s.socket = secure ? tls.connect({ ...where, ca: proxy.certificate.ca }) : net.connect(where);
    s.closed = once(s.socket, 'close').then(() => (s.#end = 'closed'));
    atEnd(t, () => s.socket.destroy());
    s.socket.on('error', () => {}); // a close follows
    s.socket.on('data', (d) => s.#read(d));
    await within(once(s.socket, secure ? 'secureConnect' : 'connect'), 'the connection opens');
    s.#local = `${s.socket.localAddress}:${s.socket.localPort}`;
    return s;
  }

  /** Opens a connection and sends CONNECT. */
  static async connect(t, proxy, { headers, ...options } = {}) {
    const s = await Stream.open(t, proxy, options);
    s.send('CONNECT', { 'accept-version': '1.2', host: 'x', ...headers });
    s.opened = await s.next('CONNECTED');
    return s;
  }

  #read(d) {
    this.#data = Buffer.concat([this.#data, d]);
    for (;;) {
      while (this.#data[0] === 10) {
        this.heartBeats += this.#behindFrame ? 0 : 1;
        this.#behindFrame = false;
        this.#data = this.#data.subarray(1);
      }
      const head = this.#data.indexOf('\n\n');
      const length = /^content-length:(\d+)$/m.exec(this.#data.toString('utf8', 0, Math.max(head, 0)))?.[1];
      const end = head < 0 ? -1 : length === undefined ? this.#data.indexOf(0, head) : head + 2 + Number(length);
      if (end < 0 || end >= this.#data.length) {
        return;
      }
      this.frames.put(parseFrame(this.#data.subarray(0, end + 1)));
      this.#data = this.#data.subarray(end + 1);
      this.#behindFrame = true;
    }
  }

  send(command, headers, body) {
    this.socket.write(frame(command, headers, body));
  }

  async next(command) {
    const f = await this.frames.next();
    assert.equal(f.command, command, f.body.toString('utf8', 0, 400));
    return f;
  }

  /** Sends heart-beats until the connection ends. */
  beat(ms) {
    const timer = setInterval(() => this.socket.write('\n'), ms);
    this.closed.then(() => clearInterval(timer));
  }
}
