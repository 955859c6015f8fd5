import { type FailureClass, failureOf } from '../errors.ts';

/** Exit codes of `vast-ost`, as documented in docs/cli.md. Stable: scripts depend on them. */
export const EXIT_CODES: Readonly<Record<FailureClass, number>> = {
  internal: 1,
  usage: 2,
  'not-found': 3,
  exists: 4,
  busy: 4,
  access: 5,
  credentials: 5,
  capacity: 6,
  integrity: 7,
  retryable: 8,
  unsupported: 9,
  aborted: 130,
};

export function exitCodeOf(error: unknown): number {
  return EXIT_CODES[failureOf(error)];
}
