// What clients have written, as text: nothing of it is ever markup.
import { brokerNow } from './api.js';
import { clock, escaped, fromBase64, hex, number, bytes, parts, span, visible } from './format.js';
import { Component, html } from './html.js';

const longestValue = 2000; // characters of a name or header that are shown at first
const longestBody = 64 << 10; // of a body; more would make the page slow

/** Text with what cannot be seen as a code. */
function marked(text, kind) {
  return parts(text, kind).map((part, i) => (i % 2 ? html`<span class="unseen" title="characters that cannot be seen, or that change the direction of others">${escaped(part)}</span>` : part));
}

/** A name, whole. Its direction has no effect on what is beside it. */
export function Name({ of }) {
  return html`<bdi class="name">${marked(String(of))}</bdi>`;
}

/** A name in at most two lines, with all of it in its title. */
export function Brief({ of }) {
  const text = String(of);
  return html`<bdi class="name brief" title=${text.length > 30 ? visible(text.slice(0, longestValue)) : undefined}>${marked(text.slice(0, 300))}${text.length > 300 ? '…' : ''}</bdi>`;
}

/** A value of any length, of which the end is only shown on request. */
export class Long extends Component {
  render({ of }, { all }) {
    const text = String(of);
    if (all || text.length <= longestValue) {
      return html`<${Name} of=${text} />`;
    }
    return html`<${Name} of=${text.slice(0, longestValue)} />… <button type="button" class="quiet" onClick=${() => this.setState({ all: true })}>Show all ${number(text.length)} characters</button>`;
  }
}

/** A moment in local time, or how long ago it was (since), in so many units. Its title has it exactly. */
export function Time({ at, since, units = 2 }) {
  if (!at) {
    return '–';
  }
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) {
    return String(at);
  }
  const exactly = `${date.toLocaleString()} (${date.toISOString()})`;
  const title = since && units < 2 ? `${distance(date, 2)}, ${exactly}` : exactly;
  return html`<time dateTime=${date.toISOString()} title=${title}>${since ? distance(date, units) : clock(date)}</time>`;
}

function distance(date, units) {
  const ms = date.getTime() - brokerNow();
  return ms > 1000 ? `in ${span(ms, units)}` : `${span(-ms, units)} ago`;
}

/** Names and values that a message has. */
export function Headers({ of }) {
  if (of.length === 0) {
    return html`<p class="soft">No headers.</p>`;
  }
  return html`<dl class="pairs mono">${of.map(({ name, value }) => html`<div><dt><${Name} of=${name} /></dt><dd><${Long} of=${value} /></dd></div>`)}</dl>`;
}

function pretty(text) {
  if (!/^\s*[[{]/.test(text)) {
    return undefined;
  }
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return undefined;
  }
}

/**
 * A body: as text, as JSON with its lines in order, or byte by byte. text or
 * base64 is its beginning, and size how many bytes it has.
 */
export class Body extends Component {
  views() {
    const { text, base64 } = this.props;
    if (base64 === undefined) {
      return pretty(text) === undefined ? ['text', 'hex'] : ['text', 'JSON', 'hex'];
    }
    return ['hex'];
  }

  shown(view) {
    const { text, base64 } = this.props;
    if (view === 'hex') {
      return hex((base64 === undefined ? new TextEncoder().encode(text) : fromBase64(base64)).subarray(0, longestBody));
    }
    const all = view === 'JSON' ? pretty(text) : text;
    return marked(all.slice(0, longestBody), 'body');
  }

  render({ text, base64, size, partial }, { chosen }) {
    if (size === 0) {
      return html`<p class="soft">No body.</p>`;
    }
    const views = this.views();
    const view = views.includes(chosen) ? chosen : views.includes('JSON') ? 'JSON' : views[0];
    const cut = partial || (text ?? base64).length > longestBody;
    return html`<div class="body">
      <div class="bar"><span class="soft">Body, ${bytes(size)}${base64 === undefined ? '' : ', not text'}${cut ? ', of which this is the beginning' : ''}</span>
        ${views.length > 1 && html`<div class="choice" role="group" aria-label="Show the body as">${views.map((v) => html`<button type="button" aria-pressed=${String(v === view)} onClick=${() => this.setState({ chosen: v })}>${v}</button>`)}</div>`}</div>
      <pre tabindex="0" class=${view === 'hex' ? 'hex' : ''} dir=${view === 'hex' ? 'ltr' : 'auto'} aria-label="Body">${this.shown(view)}</pre>
    </div>`;
  }
}
