// What goes on: rates, and what there is.
import { Chart } from '../chart.js';
import { bytes, number, rate, span } from '../format.js';
import { html, Watching } from '../html.js';
import { pulse } from '../pulse.js';
import { brokerNow } from '../api.js';
import { Heading, Panel, Tile } from '../ui.js';
import { Name, Time } from '../text.js';

const rateOf = (name) => (p) => p.rates[name];

// What the totals are called, and whether more of one is a reason to look.
const totals = [
  ['received', 'Received', 'messages accepted'],
  ['delivered', 'Delivered', 'from queues, to consumers'],
  ['published', 'Published', 'copies to subscribers of topics'],
  ['acked', 'Acknowledged', 'done with'],
  ['requeued', 'Requeued', 'given back, to be delivered again'],
  ['rejected', 'Rejected', 'refused by a consumer for good', true],
  ['exhausted', 'Exhausted', 'failed too often', true],
  ['expired', 'Expired', 'too old to be delivered', true],
  ['overflowed', 'Overflowed', 'pushed out of a full queue', true],
  ['dropped', 'Dropped', 'gone for good, also by a purge', true],
  ['dead_lettered', 'Dead-lettered', 'moved to a dead letter queue', true],
  ['unroutable', 'Unroutable', 'to a reply destination that is gone'],
  ['refused', 'Refused', 'no queue took them', true],
];

/** Messages to clients: from queues, and copies from topics. */
function out({ rates: { delivered, published } }) {
  return delivered === undefined && published === undefined ? undefined : (delivered ?? 0) + (published ?? 0);
}

export class Overview extends Watching {
  constructor(props) {
    super(props);
    this.watch(pulse);
  }

  render() {
    const { now, points } = pulse.value;
    if (!now) {
      return html`<${Heading}>Overview<//><p class="soft loading" role="status">Asking hoofbeat …</p>`;
    }
    return html`<${Heading}>Overview<//>
      <dl class="tiles eight">
        <${Tile} label="Connections" href="#/connections" value=${number(now.connections)} />
        <${Tile} label="Users" href="#/users" value=${number(now.users)} />
        <${Tile} label="Subscriptions" href="#/subscriptions" value=${number(now.subscriptions)} />
        <${Tile} label="Queues" href="#/queues" value=${number(now.queues)} />
        <${Tile} label="Topics" href="#/topics" value=${number(now.topics)} />
        <${Tile} label="Ready" href="#/queues?sort=ready&order=desc" value=${number(now.messages_ready)} title="wait for a consumer" />
        <${Tile} label="Unacked" title="with a consumer, not acknowledged yet" value=${number(now.messages_unacked)} />
        <${Tile} label="Delayed" value=${number(now.messages_delayed)} title="wait for their time" />
      </dl>
      <div class="charts">
        <${Panel} id="chart-messages" title="Messages per second"><${Chart} title="Messages per second" points=${points} lines=${[
          { name: 'in', value: rateOf('received'), show: rate },
          { name: 'out', value: out, show: rate },
          { name: 'acked', value: rateOf('acked'), show: rate },
        ]} /><//>
        <${Panel} id="chart-queued" title="Messages in queues"><${Chart} title="Messages in queues" points=${points} lines=${[
          { name: 'ready', value: (p) => p.ready, show: number },
          { name: 'unacked', value: (p) => p.unacked, show: number },
        ]} /><//>
        <${Panel} id="chart-connections" title="Connections"><${Chart} title="Connections" points=${points} lines=${[{ name: 'open', value: (p) => p.connections, show: number }]} /><//>
      </div>
      <div class="columns">${this.totals(now, points.at(-1))}${this.process(now)}</div>`;
  }

  totals(now, last) {
    const there = totals.filter(([name]) => now.totals?.[name] !== undefined);
    return html`<${Panel} id="totals" title="Since the start"><table class="plain" aria-labelledby="totals"><thead><tr><th scope="col">Messages</th><th scope="col" class="num">Total</th><th scope="col" class="num">Now</th></tr></thead>
      <tbody>${there.map(([name, label, meaning, look]) => html`<tr><th scope="row" title=${meaning}>${label} <span class="soft meaning">${meaning}</span></th><td class=${`num ${look && now.totals[name] > 0 ? 'look' : ''}`}>${number(now.totals[name])}</td><td class="num">${rate(last?.rates[name])}</td></tr>`)}</tbody></table><//>`;
  }

  process(now) {
    const row = (label, value) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`;
    return html`<${Panel} id="process" title="The program"><dl class="pairs">
      ${row('Version', html`${now.version}${now.commit && html` <code class="soft">${now.commit.slice(0, 12)}</code>`}`)}
      ${row('Started', html`<${Time} at=${now.started} /> <span class="soft">(up ${span(brokerNow() - Date.parse(now.started))})</span>`)}
      ${row('Memory', bytes(now.memory_bytes))}
      ${row('Goroutines', number(now.goroutines))}
      ${row('Waiting to be sent', bytes(now.outbound_bytes))}
      ${row('Storage', now.storage?.directory ? html`on disk <span class="soft">(sync: ${now.storage.sync})</span>` : 'in memory only')}
      ${(now.listeners ?? []).map((l) => row(`Listens (${l.kind})`, html`<code><${Name} of=${l.url} /></code>`))}
    </dl><//>`;
  }
}
