// One dialog at a time, which asks before something is done.
import { html, Watching } from './html.js';
import { Problem } from './ui.js';
import { say } from './say.js';
import { Store } from './store.js';

const open = new Store({ asked: undefined });

/**
 * Asks for a confirmation. What is asked has: title; text (what will happen);
 * verb (of the button); danger; fields, each with name, label, hint, value,
 * required, type and placeholder; typed, a word to be typed first; act, which
 * gets the fields' values and does it, and gives a line about what was done.
 */
export function confirm(asked) {
  open.set({ asked });
}

/** Where the dialog is shown: once, in the shell. */
export class DialogHost extends Watching {
  constructor(props) {
    super(props);
    this.watch(open);
  }

  render() {
    const { asked } = open.value;
    return asked ? html`<${Dialog} key=${asked} asked=${asked} />` : null;
  }
}

class Dialog extends Watching {
  constructor(props) {
    super(props);
    this.watch();
    this.before = document.activeElement; // gets the focus back
    this.state = { values: Object.fromEntries((props.asked.fields ?? []).map((f) => [f.name, f.value ?? ''])), typed: '' };
  }

  componentDidMount() {
    this.element.showModal();
    // The first field; else the way out, so that Enter alone destroys nothing.
    (this.element.querySelector('input') ?? this.element.querySelector('.cancel')).focus();
  }

  componentWillUnmount() {
    const to = this.before?.isConnected && this.before !== document.body ? this.before : document.querySelector('main h1');
    to?.focus();
  }

  close() {
    this.element.close();
    open.set({ asked: undefined });
  }

  async act() {
    const { asked } = this.props;
    this.setState({ busy: true, error: undefined });
    try {
      const done = await asked.act(this.state.values);
      this.close();
      if (done) {
        say(done);
      }
    } catch (error) {
      this.setState({ busy: false, error });
    }
  }

  ready({ asked }, { typed, values }) {
    return (!asked.typed || typed === asked.typed) && (asked.fields ?? []).every((f) => !f.required || values[f.name] !== '');
  }

  render({ asked }, { busy, error, values, typed }) {
    const set = (name) => (e) => this.setState({ values: { ...values, [name]: e.target.value } });
    return html`<dialog ref=${(e) => (this.element = e)} aria-labelledby="dialog-title" aria-describedby="dialog-text" onCancel=${(e) => { e.preventDefault(); if (!busy) { this.close(); } }}>
      <form onSubmit=${(e) => { e.preventDefault(); if (!busy && this.ready(this.props, this.state)) { this.act(); } }}>
        <h2 id="dialog-title">${asked.title}</h2>
        <div id="dialog-text">${asked.text}</div>
        ${(asked.fields ?? []).map((f) => html`<label class="field"><span>${f.label}${f.hint && html` <span class="hint">${f.hint}</span>`}</span>
          <input name=${f.name} type=${f.type ?? 'text'} value=${values[f.name]} min=${f.min} placeholder=${f.placeholder} list=${f.suggestions && `dialog-${f.name}`} spellcheck=${false} autocomplete="off" onInput=${set(f.name)} />
          ${f.suggestions && html`<datalist id=${`dialog-${f.name}`}>${f.suggestions.map((s) => html`<option value=${s} />`)}</datalist>`}</label>`)}
        ${asked.typed && html`<label class="field"><span>Type <strong>${asked.typed}</strong> to confirm</span>
          <input name="typed" value=${typed} spellcheck=${false} autocomplete="off" autocapitalize="none" onInput=${(e) => this.setState({ typed: e.target.value })} /></label>`}
        ${error && html`<${Problem} error=${error} />`}
        <div class="buttons">
          <button type="button" class="cancel" disabled=${busy} onClick=${() => this.close()}>Cancel</button>
          <button type="submit" class=${asked.danger ? 'danger' : 'primary'} disabled=${busy || !this.ready(this.props, this.state)}>${busy ? 'Working …' : asked.verb}</button>
        </div>
      </form></dialog>`;
  }
}
