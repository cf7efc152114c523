// Values that parts of the page watch.

/** A value with those who want to know when it changes. */
export class Store {
  #watchers = new Set();

  constructor(value) {
    this.value = value;
  }

  /** Changes some members, and tells everybody. */
  set(change) {
    this.value = { ...this.value, ...change };
    for (const watcher of [...this.#watchers]) {
      watcher(this.value);
    }
  }

  /** Calls a function after each change. Gives what ends that. */
  watch(watcher) {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }
}
