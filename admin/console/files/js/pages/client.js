// A STOMP client, to see with one's own eyes what a client sees.
import { bearer, session } from '../api.js';
import { bytes, clock, number } from '../format.js';
import { Component, html, Watching } from '../html.js';
import { pulse } from '../pulse.js';
import { answer, clear, client, connect, disconnect, endpoint, send, subscribe, unsubscribe } from '../stomp.js';
import { Badge, Field, Heading, Panel, Problem } from '../ui.js';
import { Body, Brief, Headers, Name, Time } from '../text.js';

/** Headers, one on each line, as name:value. */
function readHeaders(text) {
  const lines = text.split('\n').map((l) => l.trim()).filter(Boolean);
  return Object.fromEntries(lines.map((line) => {
    const colon = line.indexOf(':');
    if (colon < 1) {
      throw new Error(`“${line}” is no header: write name:value`);
    }
    return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
  }));
}

export class ClientPage extends Watching {
  constructor(props) {
    super(props);
    this.watch(client, pulse, session);
  }

  render() {
    const now = client.value;
    const url = endpoint();
    return html`<${Heading}>Client<//>
      <p class="soft lead">A STOMP client in this page, with rights of its own: those of what it connects with, not of the console.</p>
      <div class="client">
        <div class="forms">
          <${Connect} state=${now.state} url=${url} now=${now} />
          ${now.problem && html`<${Problem} error=${now.problem} />`}
          <${Subscribe} on=${now.state === 'on'} subscriptions=${now.subscriptions} />
          <${Send} on=${now.state === 'on'} />
        </div>
        <div class="seen">
          <${Panel} id="received" title="Messages" note=${now.messages.length > 0 && `the last ${number(now.messages.length)}, newest first`} actions=${now.messages.length > 0 && html`<button type="button" class="small" onClick=${() => clear('messages')}>Clear</button>`}>
            ${now.messages.length === 0 ? html`<p class="empty">${now.state === 'on' ? 'Nothing has come yet. Subscribe, and send something.' : 'Connect first.'}</p>` : html`<ol class="messages" aria-live="polite">${now.messages.map((m) => html`<${Received} key=${m.key} message=${m} />`)}</ol>`}
          <//>
          <${Frames} frames=${now.frames} dropped=${now.dropped} />
        </div>
      </div>`;
  }
}

class Connect extends Component {
  state = { by: 'token', token: '', login: '', passcode: '', clientId: '' };

  submit(event) {
    event.preventDefault();
    if (this.props.state !== 'off') {
      disconnect();
      return;
    }
    const { by, token, login, passcode, clientId } = this.state;
    const headers = by === 'token' && token.trim() ? { Authorization: bearer(token) } : by === 'login' ? { login, passcode } : {};
    connect({ ...headers, ...(clientId && { 'client-id': clientId }) });
  }

  render({ state, url, now }, { by, token, login, passcode, clientId }) {
    const set = (key) => (e) => this.setState({ [key]: e.target.value });
    const way = (value, label) => html`<label class="way"><input type="radio" name="as" checked=${by === value} disabled=${state !== 'off'} onChange=${() => this.setState({ by: value })} /> ${label}</label>`;
    const off = state !== 'off';
    return html`<${Panel} id="connect" title="Connect" note=${html`<span role="status" id="client-state" class=${`pulse ${state === 'on' ? 'good' : ''}`}>${state === 'on' ? 'connected' : state === 'connecting' ? 'connecting …' : 'not connected'}</span>`}><form class="fields" onSubmit=${(e) => this.submit(e)}>
      <p class="soft mono break">${url ?? 'This listener has no STOMP endpoint.'}</p>
      ${state === 'on' ? html`<p>As <strong>${now.user ? html`<${Name} of=${now.user} />` : 'nobody'}</strong>, STOMP ${now.version}${now.session && html`, session <code><${Name} of=${now.session} /></code>`}</p>`
        : html`<fieldset class="choice"><legend class="hidden">Prove who you are by</legend>${way('token', 'Token')}${way('login', 'Login and passcode')}${way('none', 'Nothing')}</fieldset>
      ${by === 'token' && html`<${Field} label="Token"><input name="client-token" type="password" spellcheck=${false} autocomplete="off" disabled=${off} value=${token} onInput=${set('token')} /><//>`}
      ${by === 'login' && html`<${Field} label="Login"><input name="client-login" spellcheck=${false} autocomplete="off" disabled=${off} value=${login} onInput=${set('login')} /><//><${Field} label="Passcode"><input name="client-passcode" type="password" autocomplete="off" disabled=${off} value=${passcode} onInput=${set('passcode')} /><//>`}
      <${Field} label="Client id" hint="for durable subscriptions"><input name="client-id" spellcheck=${false} autocomplete="off" disabled=${off} value=${clientId} onInput=${set('clientId')} /><//>`}
      <button type="submit" class=${off ? '' : 'primary'} disabled=${!url}>${off ? 'Disconnect' : 'Connect'}</button>
    </form><//>`;
  }
}

class Subscribe extends Component {
  state = { destination: '/topic/hello', ack: 'auto', headers: '' };

  submit(event) {
    event.preventDefault();
    try {
      subscribe(this.state.destination, this.state.ack, readHeaders(this.state.headers));
      this.setState({ error: undefined });
    } catch (error) {
      this.setState({ error });
    }
  }

  render({ on, subscriptions }, { destination, ack, headers, error }) {
    const set = (key) => (e) => this.setState({ [key]: e.target.value });
    return html`<${Panel} id="subscribe" title="Subscribe"><form class="fields" onSubmit=${(e) => this.submit(e)}>
      <${Field} label="Destination"><input name="subscribe-destination" required spellcheck=${false} autocomplete="off" value=${destination} onInput=${set('destination')} /><//>
      <${Field} label="Acknowledging"><select name="ack" value=${ack} onChange=${set('ack')}>${[['auto', 'auto: done when it was sent'], ['client-individual', 'client-individual: each by itself'], ['client', 'client: all up to that one']].map(([v, label]) => html`<option value=${v} selected=${v === ack}>${label}</option>`)}</select><//>
      <details class="more"><summary>Headers</summary><${Field} label="Headers" hint="name:value, one on each line, such as durable:true"><textarea name="subscribe-headers" rows="2" spellcheck=${false} value=${headers} onInput=${set('headers')} /><//></details>
      ${error && html`<${Problem} error=${error} />`}
      <button type="submit" disabled=${!on}>Subscribe</button></form>
      ${subscriptions.length > 0 && html`<ul class="subscriptions" aria-label="Subscriptions">${subscriptions.map((s) => html`<li key=${s.id}><span class="grow"><${Brief} of=${s.destination} /> <span class="soft">${s.ack}</span></span><button type="button" class="small" onClick=${() => unsubscribe(s)}>Unsubscribe</button></li>`)}</ul>`}<//>`;
  }
}

class Send extends Component {
  state = { destination: '/topic/hello', type: 'text/plain', headers: '', body: 'Hello from the console' };

  submit(event) {
    event.preventDefault();
    const { destination, body, headers, type } = this.state;
    try {
      const all = { ...(type && { 'content-type': type }), ...readHeaders(headers) };
      this.setState({ error: undefined, sent: 'sending …' });
      send(destination, body, all, () => this.setState({ sent: html`The broker has it: ${clock(new Date())}, <${Brief} of=${destination} />` }));
    } catch (error) {
      this.setState({ error, sent: '' });
    }
  }

  render({ on }, { destination, type, headers, body, sent, error }) {
    const set = (key) => (e) => this.setState({ [key]: e.target.value });
    return html`<${Panel} id="send" title="Send"><form class="fields" onSubmit=${(e) => this.submit(e)}>
      <${Field} label="Destination"><input name="send-destination" required spellcheck=${false} autocomplete="off" value=${destination} onInput=${set('destination')} /><//>
      <${Field} label="Content type"><input name="content-type" list="content-types" spellcheck=${false} autocomplete="off" value=${type} onInput=${set('type')} /><//>
      <datalist id="content-types"><option value="text/plain" /><option value="application/json" /></datalist>
      <details class="more"><summary>Headers</summary><${Field} label="Headers" hint="name:value, one on each line"><textarea name="send-headers" rows="2" spellcheck=${false} value=${headers} onInput=${set('headers')} /><//></details>
      <${Field} label="Body"><textarea name="body" rows="4" spellcheck=${false} value=${body} onInput=${set('body')} /><//>
      ${error && html`<${Problem} error=${error} />`}
      <button type="submit" disabled=${!on}>Send</button><p class="soft break" role="status" id="sent">${on ? sent : ''}</p></form><//>`;
  }
}

class Received extends Component {
  render({ message: m }, { open }) {
    return html`<li><div class="from"><span class="num"><${Time} at=${m.at} /></span> <${Brief} of=${m.destination} /> <span class="soft">${bytes(m.size)}</span>${m.again && html` <${Badge} kind="warn">delivery ${m.again}<//>`}</div>
      <${Body} text=${m.text} base64=${m.base64} size=${m.size} partial=${m.base64 !== undefined && m.size > 64 << 10} />
      ${m.ack !== 'auto' && html`<div class="answers"><button type="button" class="small" disabled=${!m.open} onClick=${() => answer(m, 'ack')}>Ack</button><button type="button" class="small" disabled=${!m.open} onClick=${() => answer(m, 'nack')}>Nack</button> <span class="soft" role="status">${m.answer ?? ''}</span></div>`}
      <details onToggle=${(e) => this.setState({ open: e.currentTarget.open })}><summary>Headers</summary>${open && html`<${Headers} of=${m.headers} />`}</details></li>`;
  }
}

/** What went over the wire. */
class Frames extends Component {
  render({ frames, dropped }, { beats }) {
    const shown = beats ? frames : frames.filter((f) => !f.beat);
    return html`<${Panel} id="frames" title="Frames" note=${dropped > 0 ? `the last ${number(frames.length)}; ${number(dropped)} before them are not kept` : 'as they are on the wire, newest first'}
      actions=${html`<label class="check small"><input type="checkbox" checked=${beats} onChange=${(e) => this.setState({ beats: e.target.checked })} /> heart-beats</label><button type="button" class="small" disabled=${frames.length === 0} onClick=${() => clear('frames')}>Clear</button>`}>
      ${shown.length === 0 ? html`<p class="empty">No frames yet.</p>` : html`<ol class="frames" tabindex="0" aria-label="Frames">${shown.map((f) => html`<li key=${f.key} class=${f.out ? 'out' : 'in'}><span class="soft">${f.out ? '→ sent' : '← received'} <${Time} at=${f.at} /></span><pre><${Raw} text=${f.text} left=${f.left} /></pre></li>`)}</ol>`}<//>`;
  }
}

function Raw({ text, left }) {
  return html`${text.split('\n').map((line, i) => html`${i > 0 ? '\n' : ''}<${Name} of=${line} />`)}${left > 0 ? html`<span class="soft"> … and ${number(left)} characters</span>` : ''}`;
}
