// What has happened, in a line that is read out and goes by itself.
import { Store } from './store.js';

export const said = new Store({ text: '', bad: false, n: 0 });

let timer;

export function say(text, bad = false) {
  said.set({ text, bad, n: said.value.n + 1 });
  clearTimeout(timer);
  timer = setTimeout(hush, 10_000);
}

export function hush() {
  said.set({ text: '' });
}
