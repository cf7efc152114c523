// Who is connected, and with what.
import { post } from '../api.js';
import { confirm } from '../dialog.js';
import { bytes, number, rate } from '../format.js';
import { Component, html } from '../html.js';
import { go, to } from '../route.js';
import { Badge, Filter, Heading, mayWrite, Pager, Panel, refine, Resource, Table, Tile } from '../ui.js';
import { Brief, Name, Time } from '../text.js';
import { subscriptionColumns as of, subscriptionKey } from './subscriptions.js';

const transports = ['ws', 'wss', 'tcp', 'tls', 'sockjs'];

export function perSecond(data, previous, at, value) {
  if (!previous) {
    return undefined;
  }
  const change = value(data) - value(previous.data);
  return change / ((at - previous.at) / 1000);
}

const columns = [
  { label: 'Connection', cell: (c) => html`<a href=${to('/connection', { id: c.id })}><${Brief} of=${c.id} /></a>` },
  { label: 'User', cell: (c) => html`<${Brief} of=${c.user ?? '–'} />` },
  { label: 'From', tight: true, cell: (c) => html`<${Brief} of=${c.remote} />` },
  { label: 'By', cell: (c) => html`<span class="tight">${c.transport}${c.version ? html` <span class="soft" title="STOMP's version">${c.version}</span>` : ''}</span>${c.state !== 'connected' ? html` <${Badge} kind="warn">${c.state}<//>` : ''}` },
  { label: 'Since', cell: (c) => html`<span class="tight"><${Time} at=${c.connected} since /></span>` },
  { label: 'Subscriptions', num: true, cell: (c) => number(c.subscriptions ?? 0) },
  { label: 'Received', num: true, cell: (c) => number(c.received ?? 0) },
  { label: 'Delivered', num: true, cell: (c) => number(c.delivered ?? 0) },
  { label: 'Unacked', num: true, cell: (c) => number(c.unacked ?? 0) },
];

export class Connections extends Component {
  render({ params }) {
    const { q, user, transport, after } = params;
    const list = to('connections', { q, user, transport, after, limit: 100 }).slice(1);
    return html`<${Heading}>Connections<//>
      <div class="tools"><${Filter} label="Filter" name="q" value=${q} hint="id, user or address" />
        <label>Transport <select value=${transport ?? ''} onChange=${(e) => refine({ transport: e.target.value })}><option value="">all</option>${transports.map((t) => html`<option value=${t} selected=${t === transport}>${t}</option>`)}</select></label>
        ${user !== undefined && html`<button type="button" class="small" onClick=${() => refine({ user: undefined })}>Of user <${Brief} of=${user} /> ×</button>`}</div>
      <${Resource} path=${list} show=${(data) => html`
        <${Table} label="Connections" columns=${columns} rows=${data.connections} id=${(c) => c.id} empty=${q || user || transport ? 'No connection is like that.' : 'Nobody is connected.'} />
        <${Pager} params=${params} shown=${data.connections.length} next=${data.next} total=${data.total} what="connection" />`} />`;
  }
}

export class ConnectionPage extends Component {
  close(c) {
    confirm({
      title: 'Close this connection?',
      text: html`<p><${Name} of=${c.id} />${c.user ? html` of <strong><${Name} of=${c.user} /></strong>` : ''}, from ${c.remote}. The client gets an ERROR with the reason. What it has not acknowledged goes back to its queues. Many clients connect again at once; to keep one out, revoke its token or user.</p>`,
      verb: 'Close it', danger: true,
      fields: [{ name: 'reason', label: 'Reason', hint: 'for the client and the audit log', required: true }],
      act: async ({ reason }) => {
        await post('connection/close', { id: c.id, reason });
        go('/connections');
        return 'The connection was closed.';
      },
    });
  }

  render({ params }) {
    return html`<p class="trail"><a href="#/connections">Connections</a></p><${Heading}><${Name} of=${params.id} /><//>
      <${Resource} path=${to('connection', { id: params.id }).slice(1)} show=${(c, { previous, at }) => this.one(c, previous, at)} />`;
  }

  one(c, previous, at) {
    const row = (label, value) => value && html`<div><dt>${label}</dt><dd>${value}</dd></div>`;
    return html`<div class="about"><p class="badges"><${Badge} kind=${c.state === 'connected' ? '' : 'warn'}>${c.state}<//></p>${mayWrite() && html`<div class="actions"><button type="button" class="danger" onClick=${() => this.close(c)}>Close …</button></div>`}</div>
      <dl class="tiles">
        <${Tile} label="Received" value=${number(c.received)} note=${rate(perSecond(c, previous, at, (x) => x.received))} />
        <${Tile} label="Delivered" value=${number(c.delivered)} note=${rate(perSecond(c, previous, at, (x) => x.delivered))} />
        <${Tile} label="Unacknowledged" value=${number(c.unacked ?? 0)} />
        <${Tile} label="Waiting to be sent" value=${bytes(c.outbound_bytes ?? 0)} />
      </dl>
      <${Panel} id="who" title="Who and how"><dl class="pairs">
        ${row('User', c.user && html`<a href=${to('/connections', { user: c.user })}><${Name} of=${c.user} /></a>`)}
        ${row('From', html`<${Name} of=${c.remote} />`)}
        ${row('Transport', html`${c.transport}${c.version ? `, STOMP ${c.version}` : ''}`)}
        ${row('Client id', c.client_id && html`<${Name} of=${c.client_id} />`)}
        ${row('Connected', html`<${Time} at=${c.connected} /> <span class="soft">(<${Time} at=${c.connected} since />)</span>`)}
        ${row('Token ends', c.expires && html`<${Time} at=${c.expires} /> <span class="soft">(<${Time} at=${c.expires} since />)</span>`)}
      </dl><//>
      <${Panel} id="subscriptions" title="Subscriptions"><${Table} label="Subscriptions" rows=${c.subscriptions_list ?? []} id=${subscriptionKey} empty="It has no subscriptions."
        columns=${[of.id, of.destination, of.ack, of.unacked, of.prefetch]} /><//>`;
  }
}
