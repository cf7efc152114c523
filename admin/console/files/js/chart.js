// Lines over time, drawn as SVG.
import { clock, short } from './format.js';
import { Component, html } from './html.js';
import { history } from './pulse.js';

const width = 600;
const height = 120;

/** A round number that is not less than n, for the top of an axis. */
function top(n) {
  if (!(n > 0)) {
    return 1;
  }
  const size = 10 ** Math.floor(Math.log10(n));
  return [1, 2, 3, 4, 6, 8, 10].find((f) => f * size >= n * 1.000001) * size;
}

/**
 * A chart of points, each with the time it is of (at). Lines have a name,
 * value (of a point, undefined where it is not known), and show (a number as
 * text). Pauses and restarts are gaps.
 */
export class Chart extends Component {
  path(points, value, x, y) {
    let d = '';
    let before;
    for (const p of points) {
      const v = value(p);
      if (v !== undefined) {
        const on = before !== undefined && p.at - before < 10_000;
        d += `${on ? 'L' : 'M'}${x(p.at).toFixed(1)} ${y(v).toFixed(1)}${on ? '' : 'h.01'}`; // a point alone is a dot
      }
      before = v === undefined ? undefined : p.at;
    }
    return d;
  }

  pick(event, points, x) {
    const { left, width: wide } = event.currentTarget.getBoundingClientRect();
    const at = ((event.clientX - left) / wide) * width;
    this.setState({ picked: points.reduce((a, b) => (Math.abs(x(b.at) - at) < Math.abs(x(a.at) - at) ? b : a)) });
  }

  render({ title, points, lines }, { picked }) {
    const end = points.at(-1)?.at ?? Date.now();
    const most = top(Math.max(...points.flatMap((p) => lines.map((l) => l.value(p) ?? 0))));
    const x = (at) => width * (1 - (end - at) / history);
    const y = (v) => height - 2 - (v / most) * (height - 6);
    const point = points.includes(picked) ? picked : points.at(-1);
    const values = lines.map((l) => ({ ...l, text: point && l.value(point) !== undefined ? l.show(l.value(point)) : '–' }));
    return html`<figure class="chart">
      <figcaption><span class="title">${title}</span>
        <span class="legend">${values.map((l, i) => html`<span class=${`key line${i}`}>${l.name} <b>${l.text}</b></span>`)}</span></figcaption>
      <div class="plot"><span class="axis most" aria-hidden="true">${short(most)}</span><span class="axis half" aria-hidden="true">${short(most / 2)}</span>
        <svg viewBox=${`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label=${`${title} over the last 5 minutes, now ${values.map((l) => `${l.name} ${l.text}`).join(', ')}`}
          onPointerMove=${(e) => points.length > 0 && this.pick(e, points, x)} onPointerLeave=${() => this.setState({ picked: undefined })}>
          <path class="grid" d=${`M0 ${y(most)}H${width}M0 ${y(most / 2)}H${width}M0 ${y(0)}H${width}`} />
          ${lines.map((l, i) => html`<path class=${`line line${i}`} d=${this.path(points, l.value, x, y)} />`)}
          ${point === picked && point && html`<path class="cursor" d=${`M${x(point.at)} 0V${height}`} />`}
        </svg></div>
      <div class="times soft" aria-hidden="true"><span>5 min ago</span><span>${point === picked && point ? clock(new Date(point.at)) : 'now'}</span></div>
    </figure>`;
  }
}
