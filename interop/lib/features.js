// A reporter for node --test: a row for each test that has no tests of its own,
// with the file that it is in, its name, and pass, fail or skip.
import path from 'node:path';

// outcome is what became of a test.
function outcome(event) {
  if (event.data.skip !== undefined || event.data.todo !== undefined) {
    return 'skip';
  }
  return event.type === 'test:pass' ? 'pass' : 'fail';
}

export default async function* features(source) {
  let inner = new Set(); // places of tests that tests were reported in
  const names = []; // of the tests that are open, by depth
  for await (const event of source) {
    const { name, nesting, file, details } = event.data ?? {};
    if (event.type === 'test:start') {
      names.length = nesting;
      names[nesting] = name;
      if (nesting > 0) {
        inner.add(`${file} ${nesting - 1} ${names[nesting - 1]}`);
      }
      continue;
    }
    if (event.type !== 'test:pass' && event.type !== 'test:fail') {
      continue;
    }
    if (details?.type === 'suite' || inner.delete(`${file} ${nesting} ${name}`)) {
      continue;
    }
    const full = [...names.slice(0, nesting), name].join(', ');
    yield `${path.basename(file ?? '', '.test.js')}\t${full.replaceAll(/\s+/g, ' ')}\t${outcome(event)}\n`;
  }
}
