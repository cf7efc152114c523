// Requests to the admin listener, and who makes them.
import { Store } from './store.js';
import { number } from './format.js';

/**
 * Whether somebody is known to the broker: state is 'checking', 'login' (with
 * the reason), 'failed' (with the error) or 'in' (with me, the answer of /me).
 */
export const session = new Store({ state: 'checking' });

/** Is told of every change that was made, so that what is shown is asked for again. */
export const changes = new Store({ made: 0 });

// Kept in memory. In the tab's storage only if the user wants it; other tabs
// and later visits do not see it.
let authorization;
const kept = 'hoofbeat.authorization';

// How far the broker's clock is ahead of this one, in ms.
let ahead = 0;

/** The broker's time, in ms. */
export function brokerNow() {
  return Date.now() + ahead;
}

/** A request that was refused, or that nobody answered. */
export class Refused extends Error {
  /** The word is the API's, or 'unreachable', 'slow' or 'not-hoofbeat'. */
  constructor(status, word, message, retry = 0) {
    super(message);
    Object.assign(this, { status, word, retry });
  }

  /** Whether nothing is known of the broker. */
  get lost() {
    return this.status === 0 || this.word === 'not-hoofbeat';
  }
}

/** How long a question may take, in ms. What changes something takes as long as it needs. */
export const patience = 10_000;

// A few at a time: the listener refuses more, and other operators have pages, too.
const most = 2;
let running = 0;
const waiting = [];

async function turn(action) {
  if (running >= most) {
    await new Promise((resolve) => waiting.push(resolve));
  } else {
    running++;
  }
  try {
    return await action();
  } finally {
    const next = waiting.shift();
    if (next) {
      next();
    } else {
      running--;
    }
  }
}

/** Asks for something. Parameters that are undefined or empty are left out. */
export function get(path, parameters = {}, signal = undefined) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== undefined && value !== ''));
  return turn(() => {
    signal?.throwIfAborted();
    const limit = AbortSignal.timeout(patience);
    return send('GET', query.size > 0 ? `${path}?${query}` : path, undefined, signal ? AbortSignal.any([signal, limit]) : limit);
  });
}

/** Changes something, and lets everything that is shown be asked for again. */
export async function post(path, body) {
  const answer = await send('POST', path, JSON.stringify(body));
  changes.set({ made: changes.value.made + 1 });
  return answer;
}

/** Asks for something with a body, which changes nothing. */
export function ask(path, body) {
  return send('POST', path, JSON.stringify(body), AbortSignal.timeout(patience));
}

async function send(method, path, body, signal, credentials = authorization) {
  const headers = {};
  if (credentials) {
    headers.authorization = credentials;
  }
  if (body !== undefined) {
    headers['content-type'] = 'application/json';
  }
  let response;
  let answer;
  try {
    response = await fetch(`api/v1/${path}`, { method, headers, body, signal, credentials: 'omit', cache: 'no-store', redirect: 'error' });
    answer = await response.json();
  } catch (error) {
    throw explain(error, response);
  }
  const date = Date.parse(response.headers.get('date') ?? '');
  if (!Number.isNaN(date)) {
    ahead = Math.abs(date - Date.now()) > 2000 ? date - Date.now() : 0;
  }
  if (response.ok) {
    return answer;
  }
  throw refusal(response, answer, credentials);
}

function explain(error, response) {
  if (error.name === 'AbortError') {
    return error; // it was not wanted any more
  }
  if (error.name === 'TimeoutError') {
    return new Refused(0, 'slow', `there was none within ${number(patience / 1000)} seconds.`);
  }
  if (response && error instanceof SyntaxError) {
    return new Refused(response.status, 'not-hoofbeat', `what answered (with status ${response.status}) is not hoofbeat. Is there a proxy in between?`);
  }
  return new Refused(0, 'unreachable', 'hoofbeat does not answer. Is it running, and can this machine reach it?');
}

function refusal(response, answer, credentials) {
  const error = typeof answer?.error === 'string' && typeof answer.message === 'string'
    ? new Refused(response.status, answer.error, answer.message, Number(response.headers.get('retry-after')) || 0)
    : new Refused(response.status, 'not-hoofbeat', `what answered (with status ${response.status}) is not hoofbeat. Is there a proxy in between?`);
  if (error.status === 401 && session.value.state === 'in' && credentials === authorization) {
    leave(error.message);
  }
  if (error.status === 403 && session.value.state === 'in') {
    refresh();
  }
  return error;
}

/** Finds out who this is: by what the tab has kept, or without credentials. */
export async function begin() {
  try {
    authorization = sessionStorage.getItem(kept) ?? undefined;
  } catch {
    // The browser keeps nothing for this page.
  }
  session.set({ state: 'checking' });
  const had = authorization;
  try {
    await enter(had);
  } catch (error) {
    if (error.status === 401) {
      leave(had ? error.message : '');
    } else {
      session.set({ state: 'failed', error });
    }
  }
}

/** Tries credentials, and uses them from then on. Throws what the broker has against them. */
export async function enter(credentials, keep = false) {
  const me = await send('GET', 'me', undefined, AbortSignal.timeout(patience), credentials);
  authorization = credentials;
  try {
    if (keep && credentials) {
      sessionStorage.setItem(kept, credentials);
    }
  } catch {
    // Then it is asked for again after a reload.
  }
  session.set({ state: 'in', me, reason: '', error: undefined });
}

/** Forgets the credentials, and asks for others. */
export function leave(reason = '') {
  authorization = undefined;
  try {
    sessionStorage.removeItem(kept);
  } catch {
    // Nothing was kept.
  }
  session.set({ state: 'login', reason, me: undefined });
}

let refreshing = false;

/** Asks again what this user may do, as it has changed. */
async function refresh() {
  if (refreshing) {
    return;
  }
  refreshing = true;
  try {
    session.set({ me: await send('GET', 'me', undefined, AbortSignal.timeout(patience)) });
  } catch {
    // The refusal that led here is shown; if it was the end of a token, leave was called.
  } finally {
    refreshing = false;
  }
}

export function bearer(token) {
  return `Bearer ${token.trim().replace(/^Bearer\s+/i, '')}`;
}

export function basic(name, passcode) {
  return `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(`${name}:${passcode}`)))}`;
}
