// A reporter for node --test. It writes a row for each leaf test: its file, its name, and pass, fail or skip.
import path from 'node:path';

// outcome returns pass, fail or skip.
function outcome(event) {
  if (event.data.skip !== undefined || event.data.todo !== undefined) {
    return 'skip';
  }
  return event.type === 'test:pass' ? 'pass' : 'fail';
}

export default async function* features(source) {
  let inner = new Set(); // positions of the parents of reported tests
  const names = []; // of the open tests, by depth
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
