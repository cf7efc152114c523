// Who is this?
import { basic, bearer, enter, session } from '../api.js';
import { Component, html } from '../html.js';
import { Wordmark } from '../icons.js';
import { Field, Problem } from '../ui.js';

export class Login extends Component {
  state = { by: 'token', token: '', name: '', passcode: '', keep: false };

  componentDidMount() {
    this.form.querySelector('input[name=token]').focus();
  }

  credentials({ by, token, name, passcode }) {
    return by === 'token' ? bearer(token) : basic(name, passcode);
  }

  /** Why these cannot be credentials, if so. */
  fault({ by, token, name }) {
    if (by === 'token') {
      const bare = bearer(token).slice(7);
      return bare === '' ? 'Paste a token.' : /^[!-~]+$/.test(bare) ? '' : 'A token is one line of letters, digits and dots, without spaces.';
    }
    return name === '' ? 'Enter a name.' : name.includes(':') ? 'A name cannot have a colon.' : '';
  }

  async submit(credentials) {
    this.setState({ busy: true, error: undefined });
    try {
      await enter(credentials, this.state.keep);
    } catch (error) {
      this.setState({ busy: false, error });
      this.form.querySelector(this.state.by === 'token' ? '[name=token]' : '[name=passcode]').focus();
    }
  }

  onSubmit(event) {
    event.preventDefault();
    const fault = this.fault(this.state);
    if (fault) {
      this.setState({ error: { message: fault } });
      return;
    }
    this.submit(this.credentials(this.state));
  }

  way(by, label) {
    return html`<label class="way"><input type="radio" name="by" checked=${this.state.by === by} onChange=${() => this.setState({ by, error: undefined })} /> ${label}</label>`;
  }

  render(_, { by, token, name, passcode, keep, busy, error }) {
    const { reason } = session.value;
    const set = (key) => (e) => this.setState({ [key]: e.target.value });
    return html`<main class="login"><form ref=${(e) => (this.form = e)} class="panel" onSubmit=${(e) => this.onSubmit(e)}>
      <h1><${Wordmark} /></h1>
      ${reason && !error && html`<p class="reason" role="status">${reason}</p>`}
      ${error && html`<${Problem} error=${error} />`}
      <fieldset class="choice"><legend class="hidden">Log in with</legend>${this.way('token', 'Token')}${this.way('password', 'Name and passcode')}</fieldset>
      ${by === 'token'
        ? html`<${Field} label="Token" hint="a JSON Web Token with the permission admin:read or admin:write"><input key="token" name="token" type="password" value=${token} spellcheck=${false} autocomplete="off" onInput=${set('token')} /><//>`
        : html`<${Field} label="Name"><input key="name" name="name" value=${name} spellcheck=${false} autocapitalize="none" autocomplete="username" onInput=${set('name')} /><//>
          <${Field} label="Passcode"><input key="passcode" name="passcode" type="password" value=${passcode} autocomplete="current-password" onInput=${set('passcode')} /><//>`}
      <label class="check"><input type="checkbox" checked=${keep} onChange=${(e) => this.setState({ keep: e.target.checked })} /> <span>Keep for this tab <span class="hint">so that a reload does not ask again; gone when the tab is closed</span></span></label>
      <button type="submit" class="primary" disabled=${busy}>${busy ? 'Asking …' : 'Log in'}</button>
      <button type="button" class="quiet" disabled=${busy} onClick=${() => this.submit(undefined)}>Go on without credentials</button>
      <p class="hint">hoofbeat answers without credentials only on its own machine, and only if <code>listen.admin.loopback_without_token</code> says so.</p>
    </form></main>`;
  }
}
