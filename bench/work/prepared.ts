import type { Outcome } from '../case.ts';

/** A case that is ready to be timed. */
export interface Prepared {
  /** The measured part: everything from the first byte to durable storage. */
  run(): Promise<Pick<Outcome, 'storedBytes' | 'checksum' | 'hasher'>>;
  /** Give everything back. */
  close(): Promise<void>;
}
