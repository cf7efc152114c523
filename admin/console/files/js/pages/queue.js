// One queue: how it is, what waits in it, and what can be done with that.
import { get, post } from '../api.js';
import { Chart } from '../chart.js';
import { confirm } from '../dialog.js';
import { bytes, count, number, rate, visible } from '../format.js';
import { Component, html } from '../html.js';
import { history } from '../pulse.js';
import { ratesOf } from '../rates.js';
import { go, to } from '../route.js';
import { Badge, Heading, mayWrite, Panel, Problem, Resource, Table, Tile } from '../ui.js';
import { Body, Headers, Name, Time } from '../text.js';
import { subscriptionColumns as of, subscriptionKey } from './subscriptions.js';

const page = 20; // messages at a time
const glimpse = 512; // bytes of a body that the list has
const most = 64 << 10; // bytes of a body that the API gives

function messages(n) {
  return count(n, 'message');
}

function named(q) {
  return html`<strong class="names"><${Name} of=${q.name} /></strong>`;
}

function purge(q) {
  confirm({
    title: 'Purge this queue?',
    text: html`<p>${named(q)}</p><p>All messages that wait in it (${number(q.ready + q.delayed)} now) are dropped and cannot be brought back. What consumers have is left to them.</p>`,
    verb: 'Purge', danger: true,
    act: async () => `${messages((await post('queue/purge', { name: q.name })).messages)} dropped from ${visible(q.name)}.`,
  });
}

function remove(q) {
  confirm({
    title: q.topic ? 'Delete this durable subscription?' : 'Delete this queue?',
    text: html`<p>${named(q)}</p><p>It is deleted with the ${messages(q.ready + q.delayed)} in it, which cannot be brought back. ${q.topic ? 'What is published from now on is not kept for its subscriber.' : 'The next message to it makes it anew.'}</p>`,
    verb: 'Delete', danger: true,
    act: async () => {
      const done = await post('queue/delete', { name: q.name });
      go('/queues');
      return `${visible(q.name)} was deleted with ${messages(done.messages)}.`;
    },
  });
}

/** Asks where to. Of dead letters it proposes where they were sent first. */
async function move(q) {
  let origins = [];
  try {
    const head = await get('queue/messages', { name: q.name, limit: page, body: 0 });
    origins = [...new Set(head.messages.flatMap((m) => m.headers.filter((h) => h.name === 'original-destination').map((h) => h.value)))].filter((name) => name !== q.name);
  } catch {
    // Then nothing is proposed; moving tells what is wrong.
  }
  confirm({
    title: 'Move messages to another queue',
    text: html`<p>From ${named(q)}</p><p>The oldest go first. What consumers have stays.${origins.length > 0 ? ' What is proposed is where its messages were sent first.' : ''}</p>`,
    verb: 'Move',
    fields: [
      { name: 'to', label: 'To', required: true, value: origins.length === 1 ? origins[0] : '', placeholder: '/queue/…', suggestions: origins },
      { name: 'limit', label: 'How many', hint: 'empty: all', type: 'number', min: 1 },
    ],
    act: async ({ to: target, limit }) => `${messages((await post('queue/move', { from: q.name, to: target, limit: Number(limit) || 0 })).messages)} moved to ${visible(target)}.`,
  });
}

export class QueuePage extends Component {
  points = [];

  /** Remembers what the chart shows, as long as the page is open. */
  remember(q, at, rates) {
    if (this.points.at(-1)?.at !== at) {
      this.points = [...this.points.filter((p) => at - p.at < history), { at, ready: q.ready, unacked: q.unacked, delayed: q.delayed, rates }];
    }
    return this.points;
  }

  render({ params }) {
    const { name } = params;
    return html`<p class="trail"><a href="#/queues">Queues</a></p><${Heading}><${Name} of=${name} /><//>
      <${Resource} path=${to('queue', { name }).slice(1)} gone="A queue that is empty and that nobody reads vanishes by itself; the next message to it makes it anew." show=${(q, value) => this.one(q, value)} />`;
  }

  one(q, { previous, at }) {
    const rates = ratesOf([q], at, previous, previous && [previous.data]).get(q.name);
    const actions = mayWrite() && html`
      <button type="button" disabled=${q.ready + q.delayed === 0} onClick=${() => move(q)}>Move …</button>
      <button type="button" class="danger" disabled=${q.ready + q.delayed === 0} onClick=${() => purge(q)}>Purge …</button>
      <button type="button" class="danger" disabled=${q.consumers > 0} title=${q.consumers > 0 ? 'It has consumers' : ''} onClick=${() => remove(q)}>Delete …</button>`;
    const points = this.remember(q, at, rates);
    const rateOf = (name) => (p) => p.rates[name];
    return html`<div class="about"><p class="badges">${q.durable ? html`<${Badge}>on disk<//>` : html`<${Badge}>in memory<//>`}${q.topic && html`<${Badge}>durable subscription of <${Name} of=${q.topic} /><//>`}${q.over_limits && html`<${Badge} kind="warn">over its limits<//>`}${q.abandoned && html`<${Badge} kind="warn">without a subscriber since <${Time} at=${q.abandoned} /><//>`}</p>${actions && html`<div class="actions">${actions}</div>`}</div>
      <dl class="tiles">
        <${Tile} label="Ready" value=${number(q.ready)} note="wait for a consumer" warn=${q.ready > 0 && q.consumers === 0} />
        <${Tile} label="Unacknowledged" value=${number(q.unacked)} />
        <${Tile} label="Delayed" value=${number(q.delayed)} />
        <${Tile} label="Consumers" value=${number(q.consumers)} note=${q.consumers === 0 && q.ready > 0 ? 'nobody reads what waits' : ''} />
        <${Tile} label="Size" value=${bytes(q.bytes)} />
        <${Tile} label="Oldest" value=${q.oldest ? html`<${Time} at=${q.oldest} since units=${1} />` : '–'} />
      </dl>
      <div class="charts two"><${Panel} id="rates" title="Messages per second"><${Chart} title="Messages per second" points=${points} lines=${[
        { name: 'in', value: rateOf('enqueued'), show: rate }, { name: 'delivered', value: rateOf('delivered'), show: rate }, { name: 'acked', value: rateOf('acked'), show: rate },
      ]} /><//>
      <${Panel} id="depth" title="Depth"><${Chart} title="Messages in this queue" points=${points} lines=${[
        { name: 'ready', value: (p) => p.ready, show: number }, { name: 'unacked', value: (p) => p.unacked, show: number }, { name: 'delayed', value: (p) => p.delayed, show: number },
      ]} /><//></div>
      <${Browse} name=${q.name} waiting=${q.ready + q.delayed} />
      <div class="columns">
        <${Panel} id="consumers" title=${q.topic ? 'Subscribers of its topic' : 'Consumers'}><${Resource} path=${to('subscriptions', { destination: q.topic ?? q.name, limit: 100 }).slice(1)} every=${5000} show=${(data) => consumers(data, q.topic ?? q.name)} /><//>
        <${Policy} queue=${q} />
      </div>`;
  }
}

/** Those who subscribe to it; the answer has also those to what has its name in theirs. */
function consumers(data, destination) {
  return html`<${Table} label="Consumers" rows=${data.subscriptions.filter((s) => s.destination === destination)} id=${subscriptionKey} empty="Nobody reads from it." columns=${[of.connection, of.user, of.ack, of.unacked]} />
    ${data.next && html`<p class="soft">There may be more: <a href=${to('/subscriptions', { destination })}>all ${count(data.total, 'subscription')} with this in their destination</a>.</p>`}`;
}

/** The policy in force, and which entry of the configuration it is. */
function Policy({ queue }) {
  return html`<${Panel} id="policy" title="Policy">
    ${!queue.topic && html`<${Resource} path=${to('policy', { destination: queue.name }).slice(1)} every=${0} show=${(p) => html`<p class="soft">${p.match ? html`By the entry for <code><${Name} of=${p.match} /></code>.` : 'No entry of the configuration matches: the defaults.'}</p>`} />`}
    <dl class="pairs mono">${Object.entries(queue.policy ?? {}).map(([key, value]) => html`<div><dt>${key}</dt><dd>${key === 'dead_letter' ? html`<a href=${to('/queue', { name: value })}><${Name} of=${value} /></a>` : html`<${Name} of=${value} />`}</dd></div>`)}</dl><//>`;
}

/** What waits in the queue, a page at a time. It changes only when it is asked to, so that it can be read. */
class Browse extends Component {
  state = { skip: 0 };

  render({ name, waiting }, { skip }) {
    return html`<${Resource} every=${0} path=${to('queue/messages', { name, skip: String(skip), limit: page, body: glimpse }).slice(1)} show=${(data, { at, again }) => html`
      <${Panel} id="messages" title="Messages" note=${html`as of <${Time} at=${at} />`} actions=${html`<button type="button" class="small" onClick=${again}>Refresh</button>`}>
        ${data.messages.length === 0 ? html`<p class="empty">${skip > 0 ? 'No more messages.' : waiting > 0 ? 'Messages have come; refresh to see them.' : 'No message waits.'}</p>`
          : html`<ol class="messages">${data.messages.map((m, i) => html`<${Message} key=${`${m.sequence}`} queue=${name} message=${m} at=${skip + i} />`)}</ol>`}
        ${(skip > 0 || data.next) && html`<nav class="pager" aria-label="Pages of messages"><span class="soft" role="status">${number(skip + 1)} to ${number(skip + data.messages.length)}</span>
          <button type="button" class="small" disabled=${skip === 0} onClick=${() => this.setState({ skip: Math.max(0, skip - page) })}>Previous</button>
          <button type="button" class="small" disabled=${!data.next} onClick=${() => this.setState({ skip: data.next })}>Next</button></nav>`}
      <//>`} />`;
  }
}

class Message extends Component {
  opened(event) {
    const open = event.currentTarget.open;
    this.setState({ open });
    if (open && this.props.message.truncated && !this.state.whole) {
      this.fetch();
    }
  }

  /** Gets more of the body. The queue may have moved on: then it is not the same message. */
  async fetch() {
    const { queue, message, at } = this.props;
    try {
      const found = await get('queue/messages', { name: queue, skip: String(at), limit: 1, body: most });
      if (found.messages[0]?.sequence === message.sequence) {
        this.setState({ whole: found.messages[0], error: undefined });
      } else {
        this.setState({ error: { status: 404, message: 'the message has moved or has gone since the list was read. Refresh the list.' } });
      }
    } catch (error) {
      this.setState({ error });
    }
  }

  render({ message: m }, { open, whole, error }) {
    const body = whole ?? m;
    const glance = m.body === undefined ? (m.body_bytes > 0 ? 'not text' : 'no body') : m.body.slice(0, 120);
    const fact = (label, value) => value && html`<div><dt>${label}</dt><dd>${value}</dd></div>`;
    return html`<li><details onToggle=${(e) => this.opened(e)}>
      <summary><span class="num">#${m.sequence}</span> <${Time} at=${m.arrived} /> <span class="soft">${bytes(m.body_bytes)}</span>${m.deliveries > 0 && html` <${Badge} kind=${m.failures > 0 ? 'warn' : ''}>delivered ${m.deliveries}×<//>`}${m.visible && html` <${Badge}>delayed<//>`} <span class="glance soft"><${Name} of=${glance} /></span></summary>
      ${open && html`<dl class="pairs facts">
        ${fact('Sent to', html`<${Name} of=${m.destination} />`)}${fact('Arrived', html`<${Time} at=${m.arrived} />`)}${fact('Priority', String(m.priority))}
        ${fact('Deliveries', `${m.deliveries}, of which failed: ${m.failures}`)}${fact('Expires', m.expires && html`<${Time} at=${m.expires} />`)}${fact('Visible', m.visible && html`<${Time} at=${m.visible} since />`)}</dl>
        <h3>Headers</h3><${Headers} of=${m.headers} />
        ${error && html`<${Problem} error=${error} retry=${() => this.fetch()} />`}
        <${Body} text=${body.body} base64=${body.base64} size=${m.body_bytes} partial=${body.truncated} />`}
    </details></li>`;
  }
}
