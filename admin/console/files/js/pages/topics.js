// Topics that somebody subscribes to.
import { count, number, visible } from '../format.js';
import { Component, html } from '../html.js';
import { ratesOf } from '../rates.js';
import { to } from '../route.js';
import { Badge, Filter, Heading, Pager, Rate, Resource, Table } from '../ui.js';
import { Brief } from '../text.js';
import { subscriptionsTo } from './subscriptions.js';

const columns = (rates) => [
  { label: 'Topic', cell: (t) => html`<${Brief} of=${t.name} />${/(^|[./])(\*\*?|#|>)([./]|$)/.test(t.name) ? html` <${Badge}>pattern<//>` : ''}` },
  { label: 'Subscribers', num: true, cell: (t) => html`<a href=${subscriptionsTo(t.name)} aria-label=${`${count(t.subscribers, 'subscriber')} of ${visible(t.name)}`}>${number(t.subscribers)}</a>` },
  { label: 'In', num: true, cell: (t) => html`<${Rate} of=${rates.get(t.name).messages} />` },
  { label: 'Out', num: true, cell: (t) => html`<${Rate} of=${rates.get(t.name).deliveries} />` },
  { label: 'Messages', num: true, cell: (t) => number(t.totals?.messages) },
];

export class Topics extends Component {
  render({ params }) {
    const { q, after } = params;
    return html`<${Heading}>Topics<//>
      <p class="soft lead">A topic exists while it has subscribers, each of whom gets a copy of every message. Durable subscriptions are among the <a href="#/queues?q=%2Fsubscription%2F">queues</a>; what goes to them, and to subscribers that acknowledge, is not in <em>Out</em>.</p>
      <div class="tools"><${Filter} label="Filter" name="q" value=${q} hint="part of a name" /></div>
      <${Resource} path=${to('topics', { q, after, limit: 100 }).slice(1)} show=${(data, { previous, at }) => html`
        <${Table} label="Topics" columns=${columns(ratesOf(data.topics, at, previous, previous?.data.topics))} rows=${data.topics} id=${(t) => t.name} empty=${q ? 'No topic is like that.' : 'Nobody subscribes to a topic.'} />
        <${Pager} params=${params} shown=${data.topics.length} next=${data.next} total=${data.total} what="topic" />`} />`;
  }
}
