import { EngineError, type FailureClass } from '../errors.ts';
import { engineError } from './errors.ts';

/** Problems kept; older ones are forgotten. */
const KEPT = 100;
/** Answers of everyday life: hosts ask for what may not be there, and give up what they began. */
const NO_PROBLEM: ReadonlySet<FailureClass> = new Set<FailureClass>(['not-found', 'exists', 'aborted']);

/** Something went wrong, once or several times in the same way. */
export interface Problem {
  readonly code: string;
  readonly failure: FailureClass;
  readonly message: string;
  readonly advice: string | undefined;
  /** What was being done, and to what: `IMAGE_CLOSE`, an image, … */
  readonly where: string;
  /** Milliseconds since the epoch. */
  readonly first: number;
  last: number;
  times: number;
}

/** What went wrong lately, for whoever looks; the log has all of it. */
export class Problems {
  readonly #problems = new Map<string, Problem>();
  /** One failure may be told by the image and by the answer to its host. */
  readonly #seen = new WeakSet<object>();

  add(thrown: unknown, where: string): void {
    if (thrown instanceof Error) {
      if (this.#seen.has(thrown)) return;
      this.#seen.add(thrown);
    }
    // What is not ours stays in the log: nobody checked its text for secrets.
    const { code, failure, message, advice } = thrown instanceof EngineError ? thrown : engineError(undefined);
    if (NO_PROBLEM.has(failure)) return;
    const key = `${code} ${message}`;
    const known = this.#problems.get(key);
    const now = Date.now();
    const problem = known ?? { code, failure, message, advice, where, first: now, last: now, times: 0 };
    problem.last = now;
    problem.times += 1;
    // The map is in the order of their last times.
    this.#problems.delete(key);
    this.#problems.set(key, problem);
    const [oldest] = this.#problems.keys();
    if (this.#problems.size > KEPT && oldest !== undefined) this.#problems.delete(oldest);
  }

  /** The newest first. */
  all(): readonly Problem[] {
    return [...this.#problems.values()].reverse();
  }
}
