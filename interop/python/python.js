// Python with the packages of requirements.txt, in an environment next to this file that setup.sh creates on first
// use.
import { execFile, execFileSync } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

const here = import.meta.dirname;

function missing() {
  try {
    execFileSync('python3', ['-c', 'import venv, ensurepip'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'python3 with venv is not installed';
  }
}

/** The reason to skip tests with Python, or false. */
export const noPython = missing();
if (noPython && process.env.CI === 'true') {
  throw new Error(`${noPython}, and with CI=true nothing may be skipped`);
}

let made;

/** The path of Python. */
export async function python() {
  made ??= promisify(execFile)('bash', [path.join(here, 'setup.sh')]);
  await made;
  return path.join(here, '.venv', 'bin', 'python');
}
