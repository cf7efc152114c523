// Waiting for things that happen, each wait with a time limit.

/** How long any one thing may take, in milliseconds, on a machine that does other things as well. */
export const patience = 20_000;

/** Gives what a promise gives, or fails once the time is over. */
export function within(promise, what, ms = patience) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

/**
 * A queue between callbacks, which put something in, and a test, which waits
 * for it.
 */
export class Inbox {
  #items = [];
  #waiting = [];

  /** The second argument gives what else is worth knowing if nothing comes. */
  constructor(what, story = () => '') {
    this.what = what;
    this.story = story;
  }

  /** How many items nobody has taken yet. */
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

  /** Takes the oldest item, and waits for it if there is none. */
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

  /** Takes all that is there, without waiting. */
  drain() {
    return this.#items.splice(0);
  }
}
