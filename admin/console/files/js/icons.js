// Small drawings, made for this console.
import { html } from './html.js';

const shapes = {
  overview: 'M2 9h2.500l1.500-5 3 9 2-6 1 2h2',
  connections: 'M5.500 6V2.500M10.500 6V2.500M3.500 6h9v2.500a4.500 4.500 0 0 1-9 0zM8 13v2',
  queues: 'M2 3.500h12M2 8h12M2 12.500h7',
  topics: 'M8 8m-1.200 0a1.200 1.200 0 1 0 2.400 0a1.200 1.200 0 1 0-2.400 0M4.800 4.800a4.500 4.500 0 0 0 0 6.400M11.200 4.800a4.500 4.500 0 0 1 0 6.400M2.700 2.700a7.500 7.500 0 0 0 0 10.600M13.300 2.700a7.500 7.500 0 0 1 0 10.600',
  users: 'M8 7.500a2.700 2.700 0 1 0 0-5.400a2.700 2.700 0 0 0 0 5.400M2.500 14c.5-3 2.800-4.500 5.500-4.500s5 1.500 5.500 4.500',
  client: 'M1.500 3h13v10h-13zM4 6l2.500 2L4 10M8 10.500h4',
  access: 'M8 1.500l5.500 2v4c0 3.500-2.300 5.800-5.500 7c-3.200-1.200-5.500-3.500-5.500-7v-4zM5.700 8l1.700 1.700L10.500 6.500',
  settings: 'M2 4.500h7M12 4.500h2M2 11.500h2M7 11.500h7M10.500 4.500m-1.500 0a1.500 1.500 0 1 0 3 0a1.500 1.500 0 1 0-3 0M5.500 11.500m-1.500 0a1.500 1.500 0 1 0 3 0a1.500 1.500 0 1 0-3 0',
};

export function icon(name) {
  return html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d=${shapes[name]} /></svg>`;
}

/** A horseshoe with a pulse through it, and the name. */
export function Wordmark() {
  return html`<span class="wordmark"><svg viewBox="0 0 32 32" aria-hidden="true"><path class="shoe" d="M9.500 26.500C5.500 20.500 4.500 4.500 16 4.500S26.500 20.500 22.500 26.500" /><path class="beat" d="M8.500 17h4l2-5 2.700 9 2-4H24" /></svg>hoofbeat</span>`;
}
