// Where in the console somebody is: #/page?parameter=value
import { Store } from './store.js';

/** The place: its path, its params, and the part of the address (hash) that they were read from. */
export const route = new Store(read());

function read() {
  const { hash } = location;
  const [path, query = ''] = hash.replace(/^#/, '').split('?');
  return { hash, path: path || '/', params: Object.fromEntries(new URLSearchParams(query)) };
}

addEventListener('hashchange', () => route.set(read()));

/** The address of a place. Parameters that are undefined or empty are left out. */
export function to(path, params = {}) {
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== undefined && value !== ''));
  return `#${path}${query.size > 0 ? `?${query}` : ''}`;
}

export function go(path, params) {
  location.hash = to(path, params);
}

/**
 * Goes there without a step for the browser's back button. Where somebody has
 * just gone on, it does nothing: the address is the new place's before the
 * route is, and what was meant for the old place must not undo that.
 */
export function replace(path, params) {
  if (location.hash !== route.value.hash) {
    return;
  }
  history.replaceState(null, '', to(path, params));
  route.set(read());
}
