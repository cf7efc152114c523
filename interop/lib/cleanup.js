// What is to be ended with a test.

const actions = new WeakMap(); // by test

/**
 * Does something after a test, as t.after does, in the order of the calls. But t.after leaves out what comes behind an action that fails, and
 * what that would have ended keeps the process alive, so that the test file never ends. Here all are done, and then the first failure is told.
 */
export function atEnd(t, action) {
  if (!actions.has(t)) {
    const all = [];
    actions.set(t, all);
    t.after(() => doAll(all));
  }
  actions.get(t).push(action);
}

/** Does all, one after another, even if one fails, and then fails as the first of those did. */
export async function doAll(all) {
  const failures = [];
  for (const action of all) {
    try {
      await action();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) {
    throw failures[0];
  }
}
