// Queues and durable subscriptions, with what waits in them.
import { post } from '../api.js';
import { confirm } from '../dialog.js';
import { bytes, number, visible } from '../format.js';
import { Component, html } from '../html.js';
import { ratesOf } from '../rates.js';
import { go, to } from '../route.js';
import { Badge, Filter, Heading, mayWrite, Pager, Rate, refine, Resource, Table } from '../ui.js';
import { Brief, Name, Time } from '../text.js';

const sorts = [['name asc', 'name'], ['ready desc', 'most ready'], ['ready asc', 'fewest ready'], ['oldest asc', 'oldest message'], ['oldest desc', 'newest message']];

function columns(rates) {
  return [
    { label: 'Queue', sort: 'name', cell: (q) => html`<a href=${to('/queue', { name: q.name })}><${Brief} of=${q.name} /></a>${q.topic ? html` <${Badge}>of <${Brief} of=${q.topic} /><//>` : ''}${q.durable ? '' : html` <${Badge}>in memory<//>`}${q.over_limits ? html` <${Badge} kind="warn">over its limits<//>` : ''}` },
    { label: 'Ready', num: true, sort: 'ready', cell: (q) => html`<b>${number(q.ready)}</b>` },
    { label: 'In', num: true, cell: (q) => html`<${Rate} of=${rates.get(q.name).enqueued} />` },
    { label: 'Delivered', num: true, cell: (q) => html`<${Rate} of=${rates.get(q.name).delivered} />` },
    { label: 'Acked', num: true, cell: (q) => html`<${Rate} of=${rates.get(q.name).acked} />` },
    { label: 'Unacked', num: true, cell: (q) => number(q.unacked) },
    { label: 'Delayed', num: true, cell: (q) => number(q.delayed) },
    { label: 'Consumers', num: true, cell: (q) => (q.consumers === 0 && q.ready > 0 ? html`<span class="look" title="Nobody reads what waits here">0</span>` : number(q.consumers)) },
    { label: 'Size', num: true, cell: (q) => bytes(q.bytes) },
    { label: 'Oldest', num: true, wide: true, sort: 'oldest', cell: (q) => (q.oldest ? html`<${Time} at=${q.oldest} since />` : '–') },
  ];
}

function create() {
  confirm({
    title: 'Create a queue',
    text: html`<p>Queues are also made by the first message to them. Its policy is that of the configuration.</p>`,
    verb: 'Create', fields: [{ name: 'name', label: 'Name', required: true, value: '/queue/', hint: 'such as /queue/orders' }],
    act: async ({ name }) => {
      await post('queue/create', { name });
      go('/queue', { name });
      return `${visible(name)} was created.`;
    },
  });
}

export class Queues extends Component {
  render({ params }) {
    const { q, sort = 'name', order = 'asc', after } = params;
    return html`<${Heading} actions=${mayWrite() && html`<button type="button" class="primary" onClick=${create}>Create …</button>`}>Queues<//>
      <div class="tools"><${Filter} label="Filter" name="q" value=${q} hint="part of a name" />
        <label>Sort by <select value=${`${sort} ${order}`} onChange=${(e) => { const [s, o] = e.target.value.split(' '); refine({ sort: s, order: o }); }}>${(sorts.some(([v]) => v === `${sort} ${order}`) ? sorts : [...sorts, [`${sort} ${order}`, `${sort}, ${order}ending`]]).map(([v, label]) => html`<option value=${v} selected=${v === `${sort} ${order}`}>${label}</option>`)}</select></label></div>
      <${Resource} path=${to('queues', { q, sort, order, after, limit: 100 }).slice(1)} show=${(data, { previous, at }) => html`
        <${Table} label="Queues" columns=${columns(ratesOf(data.queues, at, previous, previous?.data.queues))} rows=${data.queues} id=${(x) => x.name} sort=${sort} order=${order} empty=${q ? html`No queue has <${Name} of=${q} /> in its name.` : 'There are no queues. The first message to one makes it.'} />
        <${Pager} params=${params} shown=${data.queues.length} next=${data.next} total=${data.total} what="queue" />`} />`;
  }
}
