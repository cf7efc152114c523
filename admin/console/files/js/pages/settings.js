// How the broker is configured, and what can be changed while it runs.
import { post } from '../api.js';
import { confirm } from '../dialog.js';
import { number } from '../format.js';
import { Component, html, Watching } from '../html.js';
import { pulse } from '../pulse.js';
import { say } from '../say.js';
import { Badge, Heading, mayWrite, Panel, Problem, Resource, Table } from '../ui.js';
import { Long, Name, Time } from '../text.js';

const levels = ['debug', 'info', 'warn', 'error'];

function drain() {
  confirm({
    title: 'Drain and stop hoofbeat?',
    text: html`<p>As SIGTERM does: readiness goes first, clients are told to come back later, then the program ends, and this console with it. It comes back only if something starts it again.</p>`,
    verb: 'Drain', danger: true, typed: 'drain',
    act: async () => {
      await post('drain', {});
      return 'hoofbeat drains.';
    },
  });
}

function backup() {
  confirm({
    title: 'Back up the store',
    text: html`<p>Copies what is on disk, as it is at one moment, into a directory on the broker's machine that does not exist yet or is empty.</p>`,
    verb: 'Back up', fields: [{ name: 'directory', label: 'Directory', hint: 'an absolute path', required: true, placeholder: '/var/backups/…' }],
    act: async ({ directory }) => {
      await post('store/backup', { directory });
      return `Backed up to ${directory}.`;
    },
  });
}

export class Settings extends Component {
  state = { filter: '' };

  render() {
    const write = mayWrite();
    return html`<${Heading} actions=${write && html`<button type="button" class="danger" onClick=${drain}>Drain …</button>`}>Settings<//>
      <div class="columns"><${Program} /><${Panel} id="log" title="Log"><${Resource} path="log" every=${10_000} show=${(data) => html`<${Level} level=${data.level} />`} /><//></div>
      <${Panel} id="policies" title="Policies" note="of destinations; the first that matches counts"><${Resource} path="policies" every=${0} show=${(data) => policies(data.policies)} /><//>
      <${Panel} id="configuration" title="Configuration" note="as it is in force; secrets are masked"><${Resource} path="config" every=${0} show=${(data) => this.configuration(data.settings)} /><//>`;
  }

  configuration(settings) {
    const wanted = this.state.filter.toLowerCase();
    const rows = settings.filter((s) => s.key.toLowerCase().includes(wanted) || String(s.source).toLowerCase().includes(wanted));
    return html`<div class="tools"><label>Filter <input type="search" name="key" value=${this.state.filter} placeholder="key, or where it is from" spellcheck=${false} autocomplete="off" onInput=${(e) => this.setState({ filter: e.target.value })} /></label><span class="soft" role="status">${number(rows.length)} of ${number(settings.length)}</span></div>
      <${Table} label="Configuration" rows=${rows} id=${(s) => s.key} empty="No key is like that." columns=${[
        { label: 'Key', tight: true, cell: (s) => html`<code>${s.key}</code>` },
        { label: 'Value', cell: (s) => (s.value === '' ? html`<span class="soft">empty</span>` : html`<span class="mono"><${Long} of=${typeof s.value === 'string' ? s.value : JSON.stringify(s.value)} /></span>`) },
        { label: 'From', tight: true, cell: (s) => html`<span class=${s.source === 'default' ? 'soft' : ''}><${Name} of=${s.source ?? ''} /></span>` },
      ]} />`;
  }
}

/** What runs. */
class Program extends Watching {
  constructor(props) {
    super(props);
    this.watch(pulse);
  }

  render() {
    const { now } = pulse.value;
    const stored = now?.storage?.directory;
    return html`<${Panel} id="program" title="Program" actions=${mayWrite() && stored && html`<button type="button" class="small" onClick=${backup}>Back up …</button>`}><dl class="pairs">
      <div><dt>Version</dt><dd>${now?.version ?? '–'}</dd></div>${now?.commit && html`<div><dt>Commit</dt><dd><code>${now.commit}</code></dd></div>`}
      <div><dt>Started</dt><dd><${Time} at=${now?.started} /></dd></div><div><dt>Storage</dt><dd>${!now ? '–' : stored ? `on disk, sync: ${now.storage.sync}` : 'in memory only'}</dd></div></dl><//>`;
  }
}

class Level extends Component {
  async set(level) {
    this.setState({ busy: true, error: undefined });
    try {
      await post('log', { level });
      say(`The log level is ${level}, until a restart or the next change.`);
    } catch (error) {
      this.setState({ error });
    } finally {
      this.setState({ busy: false });
    }
  }

  render({ level }, { busy, error }) {
    return html`${error && html`<${Problem} error=${error} />`}
      ${mayWrite()
        ? html`<div class="choice" role="group" aria-label="Log level">${(levels.includes(level) ? levels : [...levels, level]).map((l) => html`<button type="button" aria-pressed=${String(l === level)} disabled=${busy} onClick=${() => this.set(l)}>${l}</button>`)}</div>`
        : html`<p>The level is <strong>${level}</strong>.</p>`}
      <p class="hint">What it is set to here counts until a restart. <code>debug</code> adds what the store does on its disk, and what fails in HTTP and its TLS before there is a session.</p>`;
  }
}

function policies(list) {
  if (list.length === 0) {
    return html`<p class="empty">There are none: every destination has the defaults.</p>`;
  }
  return html`<ol class="cards">${list.map(({ match, ...rest }) => html`<li><h3 class="mono"><${Name} of=${match} /></h3><p class="badges">${Object.entries(rest).map(([key, value]) => html`<${Badge}>${key}: <${Name} of=${typeof value === 'object' ? JSON.stringify(value) : value} /><//>`)}</p></li>`)}</ol>`;
}
