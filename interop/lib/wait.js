// Waiting for events, always with a time limit.

/** The time limit of every step, in milliseconds, on a busy machine. */
export const patience = 20_000;

/** Returns a promise's result, or fails after the time limit. */
export function within(promise, what, ms = patience) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

/** A queue between callbacks, which fill it, and a test, which waits for its items. */
export class Inbox {
  #items = [];
  #waiting = [];

  /** story returns further information for the timeout message. */
  constructor(what, story = () => '') {
    this.what = what;
    this.story = story;
  }

  /** The number of items in the queue. */
  get size() {
    return this.#items.length;
  }

  put(item) {
    const next = this.#waiting.shift();
    if (next) {
      next(item);
    } else {
      this.#items.push(item);
    }
  }

  /** Takes the oldest item, waiting for one if there is none. */
  async next(ms = patience) {
    if (this.#items.length > 0) {
      return this.#items.shift();
    }
    let resolve;
    const arrival = new Promise((r) => (resolve = r));
    this.#waiting.push(resolve);
    try {
      return await within(arrival, this.what, ms);
    } catch (error) {
      this.#waiting = this.#waiting.filter((w) => w !== resolve);
      error.message += this.story();
      throw error;
    }
  }

  /** Takes the next n items. */
  async take(n, ms = patience) {
    const items = [];
    while (items.length < n) {
      items.push(await this.next(ms));
    }
    return items;
  }

  /** Takes all items without waiting. */
  drain() {
    return this.#items.splice(0);
  }
}
