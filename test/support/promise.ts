import { mkdirSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import root from 'tap';
import { type Outcome, type PromiseMade, type PromiseResult, RESULTS, ROOT } from '../reliability/promise-made.ts';

const made = new Map<string, PromiseMade>();

/**
 * Say what this test proves, first thing in it: docs/reliability.md is made of such calls, which are read from the sources, so all
 * three members are plain string literals. Whether the test passed is noted in build/promises for `make reliability`; as a test may
 * fail after its end, by what it left, nothing of a file has passed unless all of it did. A call in a loop stands for one line.
 */
export function promise(what: PromiseMade): void {
  if (made.size === 0) process.once('exit', () => note(root.passing() ? 'passed' : 'failed'));
  made.set(JSON.stringify([what.row, what.promise, what.fault]), what);
  // What is killed has failed.
  note('failed');
}

function note(outcome: Outcome): void {
  const date = new Date().toISOString().slice(0, 10);
  const results: PromiseResult[] = [...made.values()].map((what) => ({ ...what, outcome, date }));
  mkdirSync(RESULTS, { recursive: true });
  const name = relative(ROOT, process.argv[1] ?? '').replaceAll('/', '-');
  writeFileSync(`${RESULTS}/${name}.json`, `${JSON.stringify(results, undefined, 2)}\n`);
}
