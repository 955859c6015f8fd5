import type { EngineError } from '../../errors.ts';
import { abandoned, invalid } from '../errors.ts';
import { CLOSE_MODE } from '../wire/constants.ts';
import type { Question } from '../wire/messages.ts';
import type { ImagePlace, OpenImage } from './open-image.ts';
import { type ImageCounters, newCounters, reportLine } from './report.ts';

/**
 * A handle that an ATTACH found at its end: its image was committed before the connection broke, or it cannot be
 * taken up again. Only the close is left; what the host sent before it knew is answered with the failure or dropped.
 */
export class EndedImage implements OpenImage {
  readonly place: ImagePlace;
  readonly counters: ImageCounters = newCounters();
  readonly #failure: EngineError | undefined;

  /** @param failure why the handle cannot go on; undefined when the image is complete. */
  constructor(place: ImagePlace, failure: EngineError | undefined) {
    this.place = place;
    this.#failure = failure;
  }

  #refuse(): never {
    throw this.#failure ?? abandoned('the image is complete');
  }

  async want(): Promise<never> {
    return this.#refuse();
  }
  full(): void {}
  giveBack(): void {}
  async flush(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
  }
  async read(): Promise<never> {
    return this.#refuse();
  }
  async writeMeta(): Promise<never> {
    return this.#refuse();
  }
  async readMeta(): Promise<never> {
    return this.#refuse();
  }
  async info(): Promise<never> {
    return this.#refuse();
  }

  async close({ mode }: Question<'IMAGE_CLOSE'>): Promise<string> {
    const gaveUp = mode === CLOSE_MODE.ABANDON || mode === CLOSE_MODE.READ;
    if (this.#failure !== undefined && !gaveUp) throw this.#failure;
    if (this.#failure === undefined && mode === CLOSE_MODE.INCOMPLETE) throw invalid('the image is complete');
    const state = this.#failure === undefined ? 'complete' : 'given-up';
    return reportLine(this.counters, { image: this.place.imageId, lsu: this.place.lsu, state });
  }

  async drop(): Promise<void> {}
}
