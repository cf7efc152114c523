// Numbers, sizes and times for people, and text of clients made visible.

const grouped = new Intl.NumberFormat('en');
const unknown = '–';

export function number(n) {
  return Number.isFinite(n) ? grouped.format(n) : unknown;
}

export function count(n, one, many = `${one}s`) {
  return `${number(n)} ${n === 1 ? one : many}`;
}

export function bytes(n) {
  if (!Number.isFinite(n)) {
    return unknown;
  }
  let i = 0;
  for (; Math.abs(n) >= 1024 && i < 4; i++) {
    n /= 1024;
  }
  return `${i > 0 && n < 100 ? n.toFixed(1) : grouped.format(Math.round(n))} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][i]}`;
}

/** A number of something per second. */
export function rate(n) {
  if (!Number.isFinite(n)) {
    return unknown;
  }
  return `${n >= 10 || n === 0 ? grouped.format(Math.round(n)) : n.toFixed(n < 0.1 ? 2 : 1)}/s`;
}

/** What somebody says, with a full stop behind it. */
export function sentence(text) {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}

/** A number that fits beside an axis. */
export function short(n) {
  for (const [size, letter] of [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']]) {
    if (n >= size) {
      return `${Number((n / size).toPrecision(3))}${letter}`;
    }
  }
  return String(Number(n.toPrecision(3)));
}

/** A span of time in ms, in its largest units: two, or as many as are wanted. */
export function span(ms, units = 2) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const parts = [[Math.floor(s / 86400), 'd'], [Math.floor(s / 3600) % 24, 'h'], [Math.floor(s / 60) % 60, 'min'], [s % 60, 's']];
  const first = parts.findIndex(([n]) => n > 0);
  return first < 0 ? '0 s' : parts.slice(first, first + units).filter(([n]) => n > 0).map(([n, unit]) => `${n} ${unit}`).join(' ');
}

/** A moment as the clock on the wall shows it; with its day, if that is not today. */
export function clock(date) {
  const today = date.toDateString() === new Date().toDateString();
  return today ? date.toLocaleTimeString() : date.toLocaleString();
}

// What is not seen, or changes how what follows is seen: controls, marks of direction, characters without width or of no meaning.
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]|[^\S ]/u;
// In bodies, lines and what joins letters are as meant.
const unseenInBodies = /(?![\n\t\u200c\u200d\u00a0\u202f\u3000])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]/u;

const split = { name: new RegExp(`((?:${unseen.source})+)`, 'u'), body: new RegExp(`((?:${unseenInBodies.source})+)`, 'u') };

/** Text in parts, every second of which is what cannot be seen. */
export function parts(text, kind = 'name') {
  return text.split(split[kind]);
}

/** What stands for characters that cannot be seen. */
export function escaped(text) {
  return [...text].map((c) => `\\u{${c.codePointAt(0).toString(16).padStart(4, '0')}}`).join('');
}

/** A name for a place that takes only text, such as a title. */
export function visible(text) {
  return parts(String(text)).map((p, i) => (i % 2 ? escaped(p) : p)).join('');
}

/** Bytes as lines of a place, 16 of them, and what they are as text. */
export function hex(data) {
  const lines = [];
  for (let at = 0; at < data.length; at += 16) {
    const row = [...data.subarray(at, at + 16)];
    const codes = row.map((b) => b.toString(16).padStart(2, '0')).join(' ').padEnd(47);
    lines.push(`${at.toString(16).padStart(6, '0')}  ${codes}  ${row.map((b) => (b > 31 && b < 127 ? String.fromCharCode(b) : '·')).join('')}`);
  }
  return lines.join('\n');
}

export function fromBase64(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}
