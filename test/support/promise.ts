import { mkdirSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import root from 'tap';

/** Rows of the fault matrix. */
export type MatrixRow = `${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15 | 16 | 17 | 18 | 19 | 20}`;

/** What else is promised, in the order of the page. */
export const TOPICS = ['integrity', 'restart', 'host loss', 'gc', 'capacity', 'limits', 'load', 'security'] as const;
export type Topic = (typeof TOPICS)[number];

/** One line of docs/reliability.md. */
export interface PromiseMade {
  readonly row: MatrixRow | Topic;
  /** What holds, for somebody who backs up. */
  readonly promise: string;
  /** What is done to it in this test. */
  readonly fault: string;
}

export type Outcome = 'passed' | 'failed';
export interface PromiseResult extends PromiseMade {
  readonly outcome: Outcome;
  /** ISO date. */
  readonly date: string;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** One file of results for each test file that ran. */
export const RESULTS = `${ROOT}build/promises`;

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
