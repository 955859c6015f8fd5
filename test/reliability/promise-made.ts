import { fileURLToPath } from 'node:url';

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

/** Of the repository. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** One file of results for each test file that ran. */
export const RESULTS = `${ROOT}build/promises`;
