// Why somebody may, or may not.
import { Component, html } from '../html.js';
import { ask, bearer } from '../api.js';
import { Badge, Field, Heading, Panel, Problem } from '../ui.js';
import { Name } from '../text.js';

export class Access extends Component {
  state = { by: 'token', token: '', user: '', roles: '', claims: '', action: 'subscribe', destination: '/topic/' };

  question({ by, token, user, roles, claims, action, destination }) {
    if (by === 'token') {
      return { token: bearer(token).slice(7), action, destination };
    }
    const asked = { user, action, destination };
    const list = roles.split(/[\s,]+/).filter(Boolean);
    return { ...asked, ...(list.length > 0 && { roles: list }), ...(claims.trim() && { claims: JSON.parse(claims) }) };
  }

  async explain(event) {
    event.preventDefault();
    let question;
    try {
      question = this.question(this.state);
    } catch (error) {
      this.setState({ answer: undefined, error: { message: `The claims are no JSON object: ${error.message}` } });
      return;
    }
    this.setState({ busy: true, error: undefined });
    try {
      this.setState({ busy: false, question, answer: await ask('acl/explain', question) });
    } catch (error) {
      this.setState({ busy: false, answer: undefined, error });
    }
  }

  render(_, state) {
    const { by, action, destination, busy, answer, error, question } = state;
    const set = (key) => (e) => this.setState({ [key]: e.target.value });
    const way = (value, label) => html`<label class="way"><input type="radio" name="by" checked=${by === value} onChange=${() => this.setState({ by: value })} /> ${label}</label>`;
    return html`<${Heading}>Access<//>
      <p class="soft lead">Asks the rules in force what somebody may do, and which rule decides. Nothing is changed; a token that is pasted here is sent to hoofbeat only, and not kept.</p>
      <div class="columns">
        <${Panel} id="question" title="Question"><form class="fields" onSubmit=${(e) => this.explain(e)}>
          <fieldset class="choice"><legend class="hidden">Who</legend>${way('token', 'A token')}${way('user', 'A user')}</fieldset>
          ${by === 'token' ? html`<${Field} label="Token"><textarea name="token" rows="4" required spellcheck=${false} autocomplete="off" value=${state.token} onInput=${set('token')} /><//>`
            : html`<${Field} label="User"><input name="user" required spellcheck=${false} autocomplete="off" value=${state.user} onInput=${set('user')} /><//>
              <${Field} label="Roles" hint="separated by commas"><input name="roles" spellcheck=${false} autocomplete="off" value=${state.roles} onInput=${set('roles')} /><//>
              <${Field} label="Claims" hint=${'a JSON object, such as {"team": "red"}'}><textarea name="claims" rows="2" spellcheck=${false} value=${state.claims} onInput=${set('claims')} /><//>`}
          <${Field} label="Action"><select name="action" value=${action} onChange=${set('action')}><option value="subscribe" selected=${action === 'subscribe'}>subscribe</option><option value="send" selected=${action === 'send'}>send</option></select><//>
          <${Field} label="Destination" hint="or a pattern, to subscribe"><input name="destination" required spellcheck=${false} autocomplete="off" value=${destination} onInput=${set('destination')} /><//>
          <button type="submit" class="primary" disabled=${busy}>${busy ? 'Asking …' : 'Explain'}</button>
        </form><//>
        <${Panel} id="answer" title="Answer"><div role="status">${error ? html`<${Problem} error=${error} />` : answer ? html`<${Answer} of=${answer} question=${question} />` : html`<p class="empty">The decision comes here, with the rules that led to it.</p>`}</div><//>
      </div>`;
  }
}

function Answer({ of, question }) {
  const decided = of.allowed !== undefined;
  const refused = question.token !== undefined && !of.verified;
  return html`
    ${refused && html`<div class="verdict no">Not accepted</div>`}
    ${of.reason && html`<p><${Name} of=${of.reason} /></p>`}
    ${!refused && decided && html`<div class=${`verdict ${of.allowed ? 'yes' : 'no'}`}>${of.allowed ? 'Allowed' : 'Denied'}</div>`}
    <p>${of.user !== undefined && html`<strong><${Name} of=${of.user} /></strong> `}${of.user === undefined ? 'Somebody' : ''}${refused ? ' (as the token claims) ' : ' '}to ${question.action} <span class="mono"><${Name} of=${question.destination} /></span></p>
    ${of.roles?.length > 0 && html`<p class="badges">${of.roles.map((r) => html`<${Badge}><${Name} of=${r} /><//>`)}</p>`}
    ${of.explanation && html`<pre tabindex="0" class="explanation" aria-label="Explanation">${(Array.isArray(of.explanation) ? of.explanation : of.explanation.trimEnd().split('\n')).map((line) => html`<span class="line"><${Name} of=${line} />${'\n'}</span>`)}</pre>`}
    ${of.claims && html`<h3>Claims</h3><pre tabindex="0" aria-label="Claims"><${Name} of=${JSON.stringify(of.claims)} /></pre>`}`;
}
