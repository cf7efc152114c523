// Asking for the same thing again and again.
import { get } from './api.js';

const longest = 30_000; // ms between tries while the broker is away

/**
 * Asks for a path every so many ms, or once if that is 0, and calls back on
 * every change of its value: data with when it came (at), those before
 * (previous), and the error of the last try, if it failed. It stops while the
 * page is hidden, and asks less and less often while there is no answer.
 */
export class Poller {
  value = {};
  #failures = 0;
  #timer;
  #request;
  #running = false;
  #wasSeen = () => this.#seen();

  constructor(path, every, changed) {
    Object.assign(this, { path, every, changed });
  }

  start() {
    this.#running = true;
    document.addEventListener('visibilitychange', this.#wasSeen);
    this.now();
  }

  stop() {
    this.#running = false;
    document.removeEventListener('visibilitychange', this.#wasSeen);
    clearTimeout(this.#timer);
    this.#request?.abort();
  }

  /** Asks for another path. What is known of the old one is shown until the answer is there, marked as pending. */
  to(path) {
    if (path === this.path) {
      return;
    }
    this.path = path;
    this.value = { ...this.value, previous: undefined, pending: true };
    this.#failures = 0;
    this.changed();
    this.now();
  }

  #seen() {
    if (document.hidden) {
      clearTimeout(this.#timer);
    } else if (this.every > 0) {
      this.now();
    }
  }

  /** Asks without waiting for the next time. */
  now() {
    if (this.#running) {
      clearTimeout(this.#timer);
      this.#request?.abort();
      this.#ask(this.path);
    }
  }

  async #ask(path) {
    const request = new AbortController();
    this.#request = request;
    try {
      const data = await get(path, {}, request.signal);
      this.#arrived(request, data);
    } catch (error) {
      if (request === this.#request && this.#running && error.name !== 'AbortError') {
        this.#failed(error);
      }
    }
  }

  #arrived(request, data) {
    if (request !== this.#request || !this.#running) {
      return;
    }
    const { pending, data: before, at } = this.value;
    this.#failures = 0;
    this.value = { data, at: Date.now(), previous: pending || !before ? undefined : { data: before, at } };
    this.changed();
    this.#later(this.every);
  }

  #failed(error) {
    this.#failures++;
    const busy = error.word === 'busy' && this.#failures < 5;
    if (!busy) {
      this.value = { ...this.value, error, pending: false };
      this.changed();
    }
    const pause = Math.min(longest, (this.every || 2000) * 2 ** (this.#failures - 1));
    this.#later(busy ? 1000 * Math.max(1, error.retry) : pause);
  }

  #later(ms) {
    clearTimeout(this.#timer);
    if (ms > 0 && !document.hidden) {
      this.#timer = setTimeout(() => this.now(), ms);
    }
  }
}
