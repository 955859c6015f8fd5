/**
 * What went wrong, where that matters:
 *
 * - `corrupt`: what `decode` got is not what `encode` gave. Other copies of the image may still be good. Any other error that `decode` throws counts as this.
 * - `credentials`: a secret is missing, or is not the one that the image was written with.
 * - `failed`: anything else. Any other error elsewhere counts as this.
 */
export type StageErrorKind = 'corrupt' | 'credentials' | 'failed';

const brand = Symbol.for('vast-ost.stage-error');

/** Throw it from a stage to say what kind of failure it is. The message reaches people: never secrets. */
export class StageError extends Error {
  readonly kind: StageErrorKind;
  readonly [brand] = true;

  constructor(kind: StageErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StageError';
    this.kind = kind;
  }

  /** Branded so that two copies of this module still recognise each other's errors. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }
}
