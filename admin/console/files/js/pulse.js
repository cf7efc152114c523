// The overview, which is asked for as long as somebody is logged in: it has the
// numbers of the charts, and tells whether the broker is there.
import { changes, session } from './api.js';
import { Poller } from './poller.js';
import { Store } from './store.js';
import { say } from './say.js';

/** How long the charts go back, in ms. */
export const history = 5 * 60_000;

/** The last answer (now), the error since when there is none, and the points of the charts, oldest first. */
export const pulse = new Store({ points: [] });

const poller = new Poller('overview', 2000, beat);

session.watch(({ state }) => {
  if (state === 'in' && !pulse.value.on) {
    pulse.set({ on: true });
    poller.start();
  } else if (state !== 'in' && pulse.value.on) {
    poller.stop();
    poller.value = {};
    pulse.set({ on: false, now: undefined, error: undefined, points: [] });
  }
});

/** Asks again at once. */
export function beatNow() {
  poller.now();
}

function beat() {
  const { data, at, error } = poller.value;
  const { now, error: before, points } = pulse.value;
  if (error) {
    pulse.set({ error });
    return;
  }
  const restarted = now && now.started !== data.started;
  const kept = restarted ? [] : points.filter((p) => at - p.at < history);
  pulse.set({ now: data, at, error: undefined, points: [...kept, point(data, at, restarted ? undefined : kept.at(-1))] });
  if (restarted) {
    say(now.version === data.version ? 'hoofbeat was restarted.' : `hoofbeat was restarted and is now ${data.version}. Reload this page to have its console.`);
  }
  if (before) {
    changes.set({ made: changes.value.made + 1 }); // the others may be waiting for long
  }
}

/** What the charts show of an answer; rates are those since the point before. */
function point(data, at, before) {
  const p = { at, totals: data.totals ?? {}, connections: data.connections, ready: data.messages_ready, unacked: data.messages_unacked, rates: {} };
  const seconds = before ? (at - before.at) / 1000 : 0;
  for (const [name, total] of Object.entries(p.totals)) {
    if (seconds > 0 && total >= before.totals[name]) {
      p.rates[name] = (total - before.totals[name]) / seconds;
    }
  }
  return p;
}
