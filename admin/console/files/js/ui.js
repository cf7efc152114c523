// Parts that pages are made of.
import { changes, session } from './api.js';
import { clock, count, number, rate, sentence } from './format.js';
import { Component, Watching, html } from './html.js';
import { Poller } from './poller.js';
import { route, replace, to } from './route.js';

/** Whether this user may change something. */
export function mayWrite() {
  return Boolean(session.value.me?.write);
}

const titles = { forbidden: 'Not permitted', unreachable: 'No answer', slow: 'No answer', 'not-hoofbeat': 'Not hoofbeat', busy: 'Busy' };

/**
 * What went wrong, in words, with a way on. An error with neither a word, a
 * status nor a title is a fault of what somebody wrote here, and speaks for itself.
 */
export function Problem({ error, retry, gone }) {
  const title = titles[error.word] ?? error.title ?? (error.status === 404 ? 'Not there' : error.status ? 'Refused' : '');
  return html`<div class="problem" role="alert">${title && html`<strong>${title}:</strong> `}<span>${sentence(error.message)}${error.status === 404 && gone ? ` ${gone}` : ''}</span>
    ${error.word && html` <code>${error.word}</code>`}
    ${retry && html` <button type="button" class="small" onClick=${retry}>Try again</button>`}</div>`;
}

/**
 * Asks for a path again and again, and shows what show makes of the answers. A
 * fault does not take away what is known, but is said above it.
 */
export class Resource extends Component {
  #end;

  constructor(props) {
    super(props);
    this.poller = new Poller(props.path, props.every ?? 2000, () => this.setState({}));
  }

  componentDidMount() {
    this.#end = changes.watch(() => this.poller.now());
    this.poller.start();
  }

  componentDidUpdate() {
    this.poller.to(this.props.path);
  }

  componentWillUnmount() {
    this.#end();
    this.poller.stop();
  }

  render({ show, gone }) {
    const { value } = this.poller;
    const again = () => this.poller.now();
    if (!value.data) {
      return value.error ? html`<${Problem} error=${value.error} retry=${again} gone=${gone} />` : html`<p class="soft loading" role="status">Asking hoofbeat …</p>`;
    }
    const known = value.error && !value.error.lost; // the other is said at the top of the page
    return html`${known && html`<${Problem} error=${value.error} retry=${again} gone=${gone} />`}
      <div class=${`resource ${value.pending ? 'pending' : ''} ${known ? 'old' : ''}`} aria-busy=${String(Boolean(value.pending))}>${show(value.data, { ...value, again })}</div>`;
  }
}

// Whether somebody has gone to another page whose heading is not there yet.
let arriving = false;
let place = placeOf(route.value);

function placeOf({ path, params }) {
  return `${path} ${params.name ?? params.id ?? ''}`;
}

route.watch((now) => {
  arriving ||= placeOf(now) !== place;
  place = placeOf(now);
});

/** A page's heading, which gets the focus when somebody comes to the page, and what can be done there. */
export class Heading extends Component {
  componentDidMount() {
    if (arriving) {
      this.element.focus({ preventScroll: true });
    }
    arriving = false;
  }

  render({ children, actions }) {
    return html`<div class="heading"><h1 tabindex="-1" ref=${(e) => (this.element = e)}>${children}</h1>${actions && html`<div class="actions">${actions}</div>`}</div>`;
  }
}

export function Panel({ title, note, actions, children, id }) {
  return html`<section class="panel" aria-labelledby=${id}>
    <div class="bar"><h2 id=${id}>${title}</h2>${note && html`<span class="soft">${note}</span>`}${actions && html`<span class="actions">${actions}</span>`}</div>
    ${children}</section>`;
}

/** A number with its name. */
export function Tile({ label, value, note, warn, href, title }) {
  const inside = html`<dt>${href ? html`<a href=${href}>${label}</a>` : label}</dt><dd class="value">${value}</dd>${note && html`<dd class="soft">${note}</dd>`}`;
  return html`<div class=${warn ? 'tile warn' : 'tile'} title=${title}>${inside}</div>`;
}

/**
 * A table that is a list of cards on a phone. Columns have a key, a label, cell
 * (what a row has there), and perhaps num, tight (in one line where there is
 * room), wide (a line of its own in a card) or sort (the word to sort by).
 */
export function Table({ label, columns, rows, id, empty, sort, order }) {
  if (rows.length === 0) {
    return html`<p class="empty">${empty}</p>`;
  }
  return html`<table role="table" aria-label=${label}>
    <thead role="rowgroup"><tr role="row">${columns.map((c) => html`<th role="columnheader" scope="col" class=${c.num ? 'num' : ''} aria-sort=${c.sort && c.sort === sort ? `${order}ending` : undefined}>${c.sort ? html`<${SortLink} column=${c} sort=${sort} order=${order} />` : c.label}</th>`)}</tr></thead>
    <tbody role="rowgroup">${rows.map((row) => html`<tr role="row" key=${id(row)}>${columns.map((c, i) => html`<td role=${i === 0 ? 'rowheader' : 'cell'} class=${`${c.num ? 'num' : ''} ${c.wide ? 'wide' : ''} ${c.tight ? 'tight' : ''} ${i === 0 ? 'first' : ''} ${c.label ? '' : 'do'}`} data-label=${c.label}>${c.cell(row)}</td>`)}</tr>`)}</tbody>
  </table>`;
}

function SortLink({ column, sort, order }) {
  const active = column.sort === sort;
  const next = active ? (order === 'asc' ? 'desc' : 'asc') : column.sort === 'name' ? 'asc' : 'desc';
  return html`<button type="button" class="sort" onClick=${() => refine({ sort: column.sort, order: next })}>${column.label}<span aria-hidden="true">${active ? (order === 'asc' ? ' ↑' : ' ↓') : ''}</span></button>`;
}

/** Changes some parameters of the page, which begins at its first entry again. */
export function refine(change) {
  const { path, params } = route.value;
  replace(path, { ...params, after: undefined, ...change });
}

/** A field whose text goes into a parameter of the page, a moment after the last key. */
export class Filter extends Component {
  #timer;

  componentWillUnmount() {
    clearTimeout(this.#timer);
  }

  componentDidUpdate(before) {
    if (before.value !== this.props.value && this.props.value !== this.state.text) {
      this.setState({ text: this.props.value });
    }
  }

  typed(text, wait) {
    this.setState({ text });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => refine({ [this.props.name]: text }), wait);
  }

  render({ label, name, value = '', hint }, { text = value }) {
    return html`<form role="search" class="filter" onSubmit=${(e) => { e.preventDefault(); this.typed(text, 0); }}>
      <label>${label} <input type="search" name=${name} value=${text} placeholder=${hint} spellcheck=${false} autocomplete="off" onInput=${(e) => this.typed(e.target.value, 250)} /></label></form>`;
  }
}

/** Ways to the other pages of a list. */
export class Pager extends Component {
  state = { trail: [], filter: '' };

  // The trail holds where the pages before this one begin; it is worth nothing for another filter.
  static getDerivedStateFromProps({ params }, state) {
    const filter = JSON.stringify({ ...params, after: undefined });
    return filter === state.filter ? null : { filter, trail: [] };
  }

  turn(after, trail) {
    this.setState({ trail });
    replace(route.value.path, { ...route.value.params, after });
    document.querySelector('main h1')?.scrollIntoView();
  }

  render({ params, shown, next, total, what }, { trail }) {
    const first = !params.after;
    if (first && !next) {
      return html`<p class="soft pager" role="status">${count(total, what)}</p>`;
    }
    const from = first ? 0 : trail.reduce((sum, t) => sum + t.shown, 0);
    const known = first || trail.length > 0;
    return html`<nav class="pager" aria-label="Pages">
      <span class="soft" role="status">${known && shown > 0 ? `${number(from + 1)} to ${number(from + shown)}` : number(shown)} of ${count(total, what)}</span>
      <button type="button" class="small" disabled=${first} onClick=${() => this.turn(undefined, [])}>First</button>
      <button type="button" class="small" disabled=${trail.length === 0} onClick=${() => this.turn(trail.at(-1).after, trail.slice(0, -1))}>Previous</button>
      <button type="button" class="small" disabled=${!next} onClick=${() => this.turn(next, known ? [...trail, { after: params.after, shown }] : [])}>Next</button>
    </nav>`;
  }
}

/** A number per second, of which none is not worth a look. */
export function Rate({ of }) {
  return html`<span class=${of > 0 ? '' : 'soft'}>${rate(of)}</span>`;
}

/** A field with its label. */
export function Field({ label, hint, children }) {
  return html`<label class="field"><span>${label}${hint && html` <span class="hint">${hint}</span>`}</span>${children}</label>`;
}

/** A line about the session where it cannot change anything. */
export class ReadOnly extends Watching {
  constructor(props) {
    super(props);
    this.watch(session);
  }

  render() {
    const { me } = session.value;
    return me && !me.write ? html`<span class="badge" title="To change something takes the permission admin:write">read-only</span>` : null;
  }
}

export function Badge({ kind, children }) {
  return html`<span class=${`badge ${kind ?? ''}`}>${children}</span>`;
}

export function since(at) {
  return clock(new Date(at));
}

export { to };
