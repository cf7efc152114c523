// How much goes through a queue or a topic, from two answers.

/**
 * What the totals of things have grown by per second, by name of the thing and
 * then of the total: items are those of an answer that came at a time, in ms,
 * and before is what was known before it. What is new, or counts anew, has none.
 */
export function ratesOf(items, at, before, itemsBefore) {
  const seconds = before ? (at - before.at) / 1000 : 0;
  const totals = new Map((itemsBefore ?? []).map((item) => [item.name, item.totals]));
  return new Map(items.map(({ name, totals: now }) => [name, seconds > 0 ? growth(now, totals.get(name), seconds) : {}]));
}

function growth(now, before, seconds) {
  if (!now || !before || Object.keys(now).some((key) => now[key] < before[key])) {
    return {};
  }
  return Object.fromEntries(Object.entries(now).map(([key, total]) => [key, (total - before[key]) / seconds]));
}
