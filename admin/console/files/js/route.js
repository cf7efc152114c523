// Where in the console somebody is: #/page?parameter=value
import { Store } from './store.js';

export const route = new Store(read());

function read() {
  const [path, query = ''] = location.hash.replace(/^#/, '').split('?');
  return { path: path || '/', params: Object.fromEntries(new URLSearchParams(query)) };
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

/** Goes there without a step for the browser's back button. */
export function replace(path, params) {
  history.replaceState(null, '', to(path, params));
  route.set(read());
}
