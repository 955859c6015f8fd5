import { EngineError } from '../../errors.ts';
import { orAborted } from '../body.ts';
import type { VipClock } from './clock.ts';
import type { VipAddress, VipSource } from './vip-source.ts';

/** How long an answer is used when its source does not say, milliseconds. */
const MAX_AGE_MS = 60_000;
/** After a failure, or when a VIP failed, the source is asked again, but not sooner than this, milliseconds. */
const MIN_AGE_MS = 5_000;
/** The management API may take 40 s for one answer. */
const RESOLVE_MS = 120_000;

/**
 * Asks the source which VIPs there are: when the first request comes, and when one comes after the answer has become
 * old. Requests wait only for the first answer.
 */
export class Membership {
  readonly #source: VipSource;
  readonly #clock: VipClock;
  readonly #update: (addresses: readonly VipAddress[]) => void;
  readonly #closed = new AbortController();
  #asking: Promise<void> | undefined;
  #asked = Number.NEGATIVE_INFINITY;
  #expires = Number.NEGATIVE_INFINITY;
  #error: EngineError | undefined;

  constructor(source: VipSource, clock: VipClock, update: (addresses: readonly VipAddress[]) => void) {
    this.#source = source;
    this.#clock = clock;
    this.#update = update;
  }

  /** A request comes: ask in the background when the answer is old. */
  touch(): void {
    if (this.#clock.now() >= this.#expires) this.#ask().catch(() => undefined);
  }

  /** A VIP failed: perhaps it has moved. */
  suspect(): void {
    this.#expires = Math.min(this.#expires, this.#asked + MIN_AGE_MS);
  }

  /** The latest failure of the source, when there was no success since. */
  get error(): EngineError | undefined {
    return this.#error;
  }

  /**
   * Wait until there is an answer.
   * @throws EngineError VOST_NO_VIPS (`retryable`), or what the source throws when that is one
   */
  ready(signal: AbortSignal | undefined): Promise<void> {
    return orAborted(this.#ask(), signal);
  }

  /** Requests that wait for an answer fail with this error. */
  close(error: EngineError): void {
    this.#closed.abort(error);
  }

  #ask(): Promise<void> {
    this.#asking ??= this.#resolve().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #resolve(): Promise<void> {
    this.#asked = this.#clock.now();
    const patience = AbortSignal.timeout(RESOLVE_MS);
    const signal = AbortSignal.any([this.#closed.signal, patience]);
    try {
      const addresses = await orAborted(this.#source.resolve(signal), signal);
      if (addresses.length === 0) throw noVips('the answer names none');
      this.#error = undefined;
      this.#expires = this.#clock.now() + Math.max(MIN_AGE_MS, this.#source.maxAgeMs ?? MAX_AGE_MS);
      this.#update(addresses);
    } catch (error) {
      this.#expires = this.#clock.now() + MIN_AGE_MS;
      if (patience.aborted) this.#error = noVips(`no answer in ${RESOLVE_MS / 1000} s`);
      else if (error instanceof EngineError) this.#error = error;
      else this.#error = noVips(error instanceof Error ? error.message : String(error), error);
      throw this.#error;
    }
  }
}

function noVips(why: string, cause?: unknown): EngineError {
  return new EngineError('VOST_NO_VIPS', 'retryable', `the addresses of the data VIPs could not be found: ${why}`, {
    cause,
    advice: 'Check dns_name and dns_servers of the server, or list the addresses under endpoints.',
  });
}
