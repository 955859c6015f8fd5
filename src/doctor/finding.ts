import { EngineError } from '../errors.ts';

/** `ok`; `note`: worth knowing; `warning`: works now, may not later; `failure`: does not work; `skipped`: could not be looked at. */
export type Verdict = 'ok' | 'note' | 'warning' | 'failure' | 'skipped';

/** One line of the doctor. */
export interface Finding {
  /** What was looked at: `machine`, `engine`, `plugin`, `server NAME`, `server NAME lsu LSU`. */
  readonly subject: string;
  readonly check: string;
  readonly verdict: Verdict;
  /** What was seen. */
  readonly message: string;
  /** What to do, where there is something to do. */
  readonly advice?: string | undefined;
}

/** Findings as they are made: some take seconds. */
export type Findings = AsyncGenerator<Finding, void, void>;

export type Seen = Pick<Finding, 'verdict' | 'message' | 'advice'>;

export const ok = (message: string): Seen => ({ verdict: 'ok', message });
export const note = (message: string, advice?: string): Seen => ({ verdict: 'note', message, advice });
export const warning = (message: string, advice: string): Seen => ({ verdict: 'warning', message, advice });
export const failure = (message: string, advice: string): Seen => ({ verdict: 'failure', message, advice });
export const skipped = (message: string, advice?: string): Seen => ({ verdict: 'skipped', message, advice });

/** Run one check; what it throws is its finding. */
export async function look(subject: string, check: string, work: () => Promise<Seen> | Seen): Promise<Finding> {
  try {
    return { subject, check, ...(await work()) };
  } catch (error) {
    return { subject, check, ...failedBy(error) };
  }
}

function failedBy(error: unknown): Seen {
  if (error instanceof EngineError) {
    const message = `${error.message} [${error.code}]`;
    if (error.failure === 'unsupported') return skipped(message, error.advice);
    return failure(message, error.advice ?? 'run again with --log-level debug and --log-file, and look there');
  }
  const { code, message } = error as NodeJS.ErrnoException;
  return failure(message || String(code ?? error), 'this is an error of the operating system or the network');
}
