// Cleanup after a test.

const actions = new WeakMap(); // by test

/**
 * Runs an action after a test, like t.after, in the order of the calls. t.after skips the actions after one that
 * fails, and then the processes that they would end keep the test file running. Here all actions run, and the
 * first failure is reported afterwards.
 */
export function atEnd(t, action) {
  if (!actions.has(t)) {
    const all = [];
    actions.set(t, all);
    t.after(() => doAll(all));
  }
  actions.get(t).push(action);
}

/** Runs all actions in order, and then throws the first error. */
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
