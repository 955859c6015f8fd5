import type { FailureClass } from '../../src/errors.ts';

/** What an EngineError of that class looks like to tap's `throws` and `rejects`. */
export function refusal(failure: FailureClass, more: Readonly<Record<string, unknown>> = {}): { name: string } {
  return { name: 'EngineError', failure, ...more } as { name: string };
}
