// The broker as a child process.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, before } from 'node:test';

import { buildBroker } from './build.js';
import { atEnd } from './cleanup.js';
import { within } from './wait.js';

// Child processes that must not outlive this process.
const children = new Set();
const folders = new Set();

process.on('exit', () => {
  for (const child of children) {
    child.kill('SIGKILL');
  }
  for (const folder of folders) {
    rmSync(folder, { recursive: true, force: true });
  }
});
for (const [signal, number] of [['SIGINT', 2], ['SIGTERM', 15]]) {
  process.on(signal, () => process.exit(128 + number));
}

/** Starts a shell that ends a child if this process is killed: then the shell's input closes. */
function guard(child) {
  const shell = spawn('sh', ['-c', 'read -r _; kill -KILL "$0"', child.pid], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  shell.stdin.on('error', () => {}); // it has ended already
  child.on('exit', () => shell.kill('SIGKILL'));
}

function temporaryFolder() {
  const folder = mkdtempSync(path.join(tmpdir(), 'hoofbeat-broker-'));
  folders.add(folder);
  return folder;
}

let built;

/** The program in BROKER_BIN, or one built now. */
function programPath() {
  built ??= process.env.BROKER_BIN ? Promise.resolve(path.resolve(process.env.BROKER_BIN)) : buildBroker(temporaryFolder());
  return built;
}

/** The environment without the broker's configuration keys. */
function environment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HOOFBEAT_')));
}

const admitEverybody = { auth: { anonymous: true } };

/** A broker with its own port and folder. */
export class Broker {
  #program;
  #flags;
  #folder = temporaryFolder();
  #child;
  #ended; // resolves to [code, signal]
  #stopping; // the promise of a stop in progress

  /** The address of its WebSocket endpoint. */
  url;
  /** The address of its admin listener, if the flags enable it. */
  operators;
  /** Its log, over all its starts. */
  log = '';

  /**
   * Starts a broker. The flags are those of `hoofbeat serve`, without the leading dashes. config is the content of
   * its configuration file.
   */
  static async start(flags = {}, config = admitEverybody) {
    const broker = new Broker();
    broker.#program = await programPath();
    broker.#flags = flags;
    broker.configure(config);
    await broker.launch(0);
    return broker;
  }

  get port() {
    return Number(new URL(this.url).port);
  }

  /** Replaces its configuration file. A running broker reloads it. */
  configure(config) {
    // The folder keeps configuration files of the machine out. JSON is valid YAML.
    const file = path.join(this.#folder, 'hoofbeat.yaml');
    writeFileSync(`${file}.new`, JSON.stringify(config, null, 2));
    renameSync(`${file}.new`, file);
  }

  /** Starts the process and waits until it accepts connections. */
  async launch(port = this.port) {
    // Other brokers run at the same time: no admin listener and no storage unless the test asks for them.
    const flags = {
      'listen-websocket-address': `127.0.0.1:${port}`,
      'listen-admin-address': '',
      'storage-directory': '',
      'limits-drain-timeout': '2s', // for clients that hold messages until the end of their test
      ...this.#flags,
      ...(this.operators && { 'listen-admin-address': new URL(this.operators).host }),
    };
    const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
    const child = spawn(this.#program, ['serve', ...args], {
      cwd: this.#folder,
      env: environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.add(child);
    guard(child);
    this.#child = child;
    this.#ended = once(child, 'exit').finally(() => children.delete(child));
    child.stderr.setEncoding('utf8').on('data', (text) => (this.log += text));
    this.url = await within(Promise.race([this.#printedURL(child), this.#died()]), 'the broker prints its URL');
  }

  async #printedURL(child) {
    let url;
    for await (const line of createInterface({ input: child.stdout })) {
      url ??= /^hoofbeat accepts STOMP on (ws:\S+)$/.exec(line)?.[1];
      const operators = /^hoofbeat answers operators on (http\S+)$/.exec(line)?.[1];
      this.operators = operators ?? this.operators;
      if (url && (operators || !this.#flags['listen-admin-address'])) {
        child.stdout.resume();
        return url;
      }
    }
    return this.#died();
  }

  async #died() {
    const [code, signal] = await this.#ended;
    throw new Error(`the broker ended with ${code ?? signal}:\n${this.log}`);
  }

  /** Ends it by SIGTERM. It must exit with 0 and have logged no error. */
  stop() {
    // A second signal would end the broker without draining, so send it once.
    this.#stopping ??= this.#stop().finally(() => (this.#stopping = undefined));
    return this.#stopping;
  }

  async #stop() {
    if (!children.has(this.#child)) {
      return;
    }
    this.signal('SIGCONT');
    this.signal('SIGTERM');
    let end;
    try {
      end = await within(this.#ended, 'the broker ends after SIGTERM');
    } catch (error) {
      this.signal('SIGKILL');
      throw error;
    }
    assert.deepEqual(end, [0, null], `exit code and signal of the broker:\n${this.log}`);
    assert.doesNotMatch(this.log, /level=ERROR|panic:/);
  }

  /** Restarts it on the same port. */
  async restart() {
    await this.stop();
    await this.launch();
  }

  /** Kills it as a crash would, and restarts it on the same port. */
  async crash() {
    this.signal('SIGKILL');
    await within(this.#ended, 'the broker ends after SIGKILL');
    await this.launch();
  }

  signal(name) {
    this.#child.kill(name);
  }

  /** The process's peak memory, in bytes. */
  peakMemory() {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)[1]) * 1024;
  }
}

/** Starts a broker that ends with a test. */
export async function startBroker(t, flags, config) {
  const broker = await Broker.start(flags, config);
  atEnd(t, () => broker.stop());
  return broker;
}

/**
 * Within describe: a broker for all its tests. Its url is set when they run. Flags and config may be functions,
 * which are called just before the start.
 */
export function suiteBroker(flags, config) {
  const suite = {};
  const now = (value) => (typeof value === 'function' ? value() : value);
  before(async () => {
    suite.broker = await Broker.start(now(flags), now(config));
    suite.url = suite.broker.url;
  });
  after(() => suite.broker?.stop());
  return suite;
}
