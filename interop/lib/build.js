// Builds the broker from this tree.
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

const root = path.resolve(import.meta.dirname, '..', '..');

/** Builds the broker into a folder and returns the path of the program. */
export async function buildBroker(folder) {
  const program = path.join(folder, 'hoofbeat');
  await promisify(execFile)('go', ['build', '-o', program, './cmd/hoofbeat'], { cwd: root });
  return program;
}
