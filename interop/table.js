// Prints the content of feature files: a line per client with the numbers of its features and of those that passed,
// failed and were skipped, and a line per feature that did not pass. Fails if one failed, or, with CI=true, was
// skipped.
import { readFileSync } from 'node:fs';

const rows = process.argv.slice(2).flatMap((file) => readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => line.split('\t')));
const clients = new Map();
for (const [client, , result] of rows) {
  const count = clients.get(client) ?? { pass: 0, fail: 0, skip: 0 };
  count[result] += 1;
  clients.set(client, count);
}
const width = Math.max(...[...clients.keys()].map((name) => name.length), 'client'.length);
const line = (...cells) => console.log(cells.map((cell, i) => String(cell).padEnd(i === 0 ? width : 8)).join('  ').trimEnd());
line('client', 'features', 'pass', 'fail', 'skip');
for (const [client, c] of [...clients].sort(([a], [b]) => a.localeCompare(b))) {
  line(client, c.pass + c.fail + c.skip, c.pass, c.fail, c.skip);
}
const wrong = rows.filter(([, , result]) => result !== 'pass');
for (const [client, feature, result] of wrong) {
  console.log(`${result}: ${client}: ${feature}`);
}
const fatal = wrong.filter(([, , result]) => result === 'fail' || process.env.CI === 'true');
process.exitCode = fatal.length > 0 || rows.length === 0 ? 1 : 0;
