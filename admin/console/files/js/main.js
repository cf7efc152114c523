// The frame around all pages: who is logged in, where one can go, and whether
// what is shown is of now.
import { render } from '../vendor/preact.mjs';
import { begin, leave, session } from './api.js';
import { DialogHost } from './dialog.js';
import { Component, html, Watching } from './html.js';
import { icon, Wordmark } from './icons.js';
import { Login } from './pages/login.js';
import { Overview } from './pages/overview.js';
import { Connections, ConnectionPage } from './pages/connections.js';
import { Queues } from './pages/queues.js';
import { QueuePage } from './pages/queue.js';
import { Subscriptions } from './pages/subscriptions.js';
import { Topics } from './pages/topics.js';
import { Users } from './pages/users.js';
import { ClientPage } from './pages/client.js';
import { Access } from './pages/access.js';
import { Settings } from './pages/settings.js';
import { beatNow, pulse } from './pulse.js';
import { route } from './route.js';
import { hush, said } from './say.js';
import { Heading, Problem, ReadOnly, since } from './ui.js';
import { Name } from './text.js';
import { sentence, visible } from './format.js';

// in: the page of the navigation that a page without an entry belongs to.
const pages = {
  '/': { title: 'Overview', icon: 'overview', page: Overview },
  '/connections': { title: 'Connections', icon: 'connections', page: Connections },
  '/connection': { title: 'Connection', in: '/connections', page: ConnectionPage, about: 'id' },
  '/queues': { title: 'Queues', icon: 'queues', page: Queues },
  '/queue': { title: 'Queue', in: '/queues', page: QueuePage, about: 'name' },
  '/topics': { title: 'Topics', icon: 'topics', page: Topics },
  '/subscriptions': { title: 'Subscriptions', in: '/topics', page: Subscriptions },
  '/users': { title: 'Users', icon: 'users', page: Users },
  '/client': { title: 'Client', icon: 'client', page: ClientPage },
  '/access': { title: 'Access', icon: 'access', page: Access },
  '/settings': { title: 'Settings', icon: 'settings', page: Settings },
};

class Shell extends Watching {
  constructor(props) {
    super(props);
    this.watch(session, route);
  }

  componentDidUpdate() {
    const { path, params } = route.value;
    const where = `${path} ${params[pages[path]?.about] ?? ''}`;
    if (session.value.state === 'in' && this.where !== undefined && this.where !== where) {
      scrollTo(0, 0);
    }
    this.where = session.value.state === 'in' ? where : undefined;
    const about = params[pages[path]?.about];
    document.title = session.value.state === 'in' ? `${about ? visible(about).slice(0, 100) : pages[path]?.title ?? 'Not found'} · hoofbeat` : 'hoofbeat';
  }

  render() {
    const { state, error } = session.value;
    if (state === 'checking') {
      return html`<p class="centre soft" role="status">Asking hoofbeat who you are …</p>`;
    }
    if (state === 'failed') {
      return html`<main class="centre"><${Wordmark} /><${Problem} error=${error} retry=${begin} /></main>`;
    }
    return state === 'login' ? html`<${Login} />` : this.console();
  }

  console() {
    const { path, params } = route.value;
    const found = pages[path];
    return html`<a class="skip" href="#main" onClick=${(e) => { e.preventDefault(); document.querySelector('main h1')?.focus(); }}>Skip to the page</a>
      <div class="frame">
        <${Header} />
        <${Places} path=${path} />
        <${Main}>${found ? html`<${found.page} key=${`${path} ${params[found.about] ?? ''}`} params=${params} />` : html`<${Heading}>Not found<//><p>There is no page at <code><${Name} of=${path} /></code>. <a href="#/">Go to the overview</a>.</p>`}<//>
      </div>
      <${DialogHost} /><${Said} />`;
  }
}

/** The ways to the pages. Where they do not fit, they scroll, and fade at the edge behind which there are more. */
class Places extends Component {
  componentDidMount() {
    this.sizes = new ResizeObserver(() => this.look());
    this.sizes.observe(this.row);
    this.showCurrent();
  }

  componentDidUpdate({ path }) {
    if (path !== this.props.path) {
      this.showCurrent();
    }
  }

  componentWillUnmount() {
    this.sizes.disconnect();
  }

  showCurrent() {
    this.row.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
  }

  look() {
    const { scrollLeft, scrollWidth, clientWidth } = this.row;
    const before = scrollLeft > 1;
    const after = scrollLeft + clientWidth < scrollWidth - 1; // it scrolls by parts of a pixel
    if (before !== this.state.before || after !== this.state.after) {
      this.setState({ before, after });
    }
  }

  render({ path }, { before, after }) {
    const places = Object.entries(pages).filter(([, p]) => p.icon);
    return html`<nav class="places" aria-label="Console"><div class=${`row ${before ? 'before' : ''} ${after ? 'after' : ''}`} ref=${(e) => (this.row = e)} onScroll=${() => this.look()}>
      ${places.map(([at, p]) => html`<a href=${`#${at}`} aria-current=${path === at ? 'page' : pages[path]?.in === at ? 'true' : undefined}>${icon(p.icon)}<span>${p.title}</span></a>`)}</div></nav>`;
  }
}

/** The page, greyed while there are no news. */
class Main extends Watching {
  constructor(props) {
    super(props);
    this.watch(pulse);
  }

  render({ children }) {
    return html`<main id="main" class=${pulse.value.error?.lost ? 'stale' : ''}><${Banner} />${children}</main>`;
  }
}

/** What everybody should know before reading numbers. */
class Banner extends Watching {
  constructor(props) {
    super(props);
    this.watch(pulse);
  }

  render() {
    const { error, at } = pulse.value;
    const now = error ? undefined : pulse.value.now; // what it was is no news
    return html`<div role="status" class="banners">
      ${error && html`<div class="banner bad"><span><strong>${error.lost ? 'No connection:' : 'No news:'}</strong> ${sentence(error.message)} ${at ? html`What is shown is of <strong>${since(at)}</strong>.` : ''} It is tried again by itself.</span><button type="button" class="small" onClick=${beatNow}>Try now</button></div>`}
      ${now?.draining && html`<div class="banner warn"><span><strong>Draining:</strong> hoofbeat takes no new connections, and ends when its clients have gone.</span></div>`}
      ${now && !now.ready && !now.draining && html`<div class="banner warn"><span><strong>Not ready:</strong> ${sentence((now.reasons ?? []).map((r) => `${r.check}: ${r.message}`).join('; '))}</span></div>`}
    </div>`;
  }
}

class Header extends Watching {
  constructor(props) {
    super(props);
    this.watch(pulse, session);
  }

  render() {
    const { error, now } = pulse.value;
    const { me } = session.value;
    const [kind, text] = error ? ['bad', 'no news'] : !now ? ['', 'asking …'] : now.draining ? ['warn', 'draining'] : now.ready ? ['good', 'ready'] : ['warn', 'not ready'];
    return html`<header class="top">
      <a class="home" href="#/" aria-label="hoofbeat, overview"><${Wordmark} /></a>
      <span class=${`pulse ${kind}`}>${text}</span>
      <span class="who"><${ReadOnly} /><span class="user" title=${me ? `Known by ${{ token: 'a token', password: 'name and passcode', loopback: 'being on this machine' }[me.method] ?? me.method}` : ''}>${me?.user ? html`<${Name} of=${me.user} />` : 'this machine'}</span>
        <button type="button" class="small quiet" onClick=${() => leave('You have logged out.')}>${me?.method === 'loopback' ? 'Log in' : 'Log out'}</button></span>
    </header>`;
  }
}

class Said extends Watching {
  constructor(props) {
    super(props);
    this.watch(said);
  }

  render() {
    const { text, bad } = said.value;
    return html`<div class="said" role="status" aria-live="polite">${text && html`<div class=${bad ? 'bad' : ''}><span>${text}</span><button type="button" class="quiet small" aria-label="Dismiss" onClick=${hush}>×</button></div>`}</div>`;
  }
}

document.querySelector('#app').replaceChildren();
render(html`<${Shell} />`, document.querySelector('#app'));
begin();
