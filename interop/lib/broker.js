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

// What must not outlive this process.
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

/** Starts a shell that ends a child if this process is killed and cannot do it. Its input closes then. */
function guard(child) {
  const shell = spawn('sh', ['-c', 'read -r _; kill -KILL "$0"', child.pid], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  shell.stdin.on('error', () => {}); // it was ended before
  child.on('exit', () => shell.kill('SIGKILL'));
}

function temporaryFolder() {
  const folder = mkdtempSync(path.join(tmpdir(), 'hoofbeat-broker-'));
  folders.add(folder);
  return folder;
}

let built;

/** The program that was named by BROKER_BIN, or else one that is built now. */
function programPath() {
  built ??= process.env.BROKER_BIN ? Promise.resolve(path.resolve(process.env.BROKER_BIN)) : buildBroker(temporaryFolder());
  return built;
}

/** The environment without the broker's configuration keys. */
function environment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HOOFBEAT_')));
}

const admitEverybody = { auth: { anonymous: true } };

/** A broker that listens on a port of its own, with a folder of its own. */
export class Broker {
  #program;
  #flags;
  #folder = temporaryFolder();
  #child;
  #ended; // resolves to [code, signal]
  #stopping; // what stop gives while it is under way

  /** The address of its WebSocket endpoint. */
  url;
  /** The address of its listener for operators, if the flags ask for one. */
  operators;
  /** What it has logged, over all its starts. */
  log = '';

  /**
   * Starts one. The flags are those of `hoofbeat serve`, without dashes in
   * front. The config is what its configuration file has.
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

  /** Replaces its configuration file, which a running broker notices. */
  configure(config) {
    // In its folder it finds this file and none of the machine's. JSON is YAML.
    const file = path.join(this.#folder, 'hoofbeat.yaml');
    writeFileSync(`${file}.new`, JSON.stringify(config, null, 2));
    renameSync(`${file}.new`, file);
  }

  /** Starts the process and waits until it accepts connections. */
  async launch(port = this.port) {
    // Others run at the same time: no port for operators, and nothing on disk unless a test asks for it.
    const flags = {
      'listen-websocket-address': `127.0.0.1:${port}`,
      'listen-admin-address': '',
      'storage-directory': '',
      'limits-drain-timeout': '2s', // for those who hold messages to the end of their test
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

  /** Ends it by SIGTERM, in good order: it must exit with 0 and have logged no error. */
  stop() {
    // Once, if a test that fails is about to stop it: a second signal asks the broker to end at once.
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

  /** Starts it again on the same port. */
  async restart() {
    await this.stop();
    await this.launch();
  }

  /** Ends it as a crash does, and starts it again on the same port. */
  async crash() {
    this.signal('SIGKILL');
    await within(this.#ended, 'the broker ends after SIGKILL');
    await this.launch();
  }

  signal(name) {
    this.#child.kill(name);
  }

  /** The most memory that the process has had, in bytes. */
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
 * Within describe: a broker for all its tests. Its url is there once they run.
 * Flags and configuration may be functions, which are called just before it
 * starts.
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
