// Who subscribes to what.
import { number } from '../format.js';
import { Component, html } from '../html.js';
import { to } from '../route.js';
import { Badge, Filter, Heading, Pager, refine, Resource, Table } from '../ui.js';
import { Brief } from '../text.js';

/** What tables of subscriptions may have. */
export const subscriptionColumns = {
  id: { label: 'Id', cell: (s) => html`<${Brief} of=${s.id} />` },
  connection: { label: 'Connection', cell: (s) => html`<a href=${to('/connection', { id: s.connection })}><${Brief} of=${s.connection} /></a>` },
  user: { label: 'User', cell: (s) => html`<${Brief} of=${s.user ?? '–'} />` },
  destination: { label: 'Destination', cell: (s) => html`<${Brief} of=${s.destination} />${s.durable ? html` <${Badge}>durable<//>` : ''}` },
  ack: { label: 'Acknowledges', cell: (s) => s.ack },
  unacked: { label: 'Unacked', num: true, cell: (s) => number(s.unacked ?? 0) },
  prefetch: { label: 'Prefetch', num: true, cell: (s) => (s.prefetch ? number(s.prefetch) : '–') },
};

/** What tells a subscription from all others. With STOMP 1.0 it may have no id. */
export function subscriptionKey(s) {
  return `${s.connection} ${s.id ?? s.destination}`;
}

/** The place of the subscriptions to a topic. A user's own has the user in its name, but not where the user subscribes. */
export function subscriptionsTo(topic) {
  const [, user, destination = topic] = /^\/user\/([^/]+)(\/(?:queue|topic)\/.*)$/s.exec(topic) ?? [];
  return to('/subscriptions', { destination: user ? `/user${destination}` : destination, user: user?.replaceAll('%2F', '/') });
}

export class Subscriptions extends Component {
  render({ params }) {
    const { destination, user, after } = params;
    const { connection, user: of, destination: what, ack, unacked, prefetch } = subscriptionColumns;
    return html`<${Heading}>Subscriptions<//>
      <div class="tools"><${Filter} label="Filter" name="destination" value=${destination} hint="part of a destination" />
        ${user !== undefined && html`<button type="button" class="small" onClick=${() => refine({ user: undefined })}>Of user <${Brief} of=${user} /> ×</button>`}</div>
      <${Resource} path=${to('subscriptions', { destination, user, after, limit: 100 }).slice(1)} every=${5000} show=${(data) => html`
        <${Table} label="Subscriptions" columns=${[connection, of, what, ack, unacked, prefetch]} rows=${data.subscriptions} id=${subscriptionKey}
          empty=${destination || user !== undefined ? html`No connection subscribes to that. Durable subscriptions without a subscriber are among the <a href="#/queues?q=%2Fsubscription%2F">queues</a>.` : 'Nobody subscribes to anything.'} />
        <${Pager} params=${params} shown=${data.subscriptions.length} next=${data.next} total=${data.total} what="subscription" />`} />`;
  }
}
