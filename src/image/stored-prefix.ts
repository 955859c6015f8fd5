import { EngineError } from '../errors.ts';
import type { Part } from '../stages/packer.ts';

/**
 * Parts are acknowledged in any order, but noted in the image's: only then does what is noted describe a prefix of the image, without
 * a gap. A part that comes before its time waits.
 */
export class StoredPrefix {
  readonly #note: (part: Part, signal: AbortSignal) => Promise<void> | void;
  /** By the number of their first chunk. */
  readonly #early = new Map<number, Part>();
  #next: number;
  #parts = 0;
  #queue: Promise<void> = Promise.resolve();

  /**
   * @param first number of the chunk that the prefix begins with.
   * @param note takes one part at a time, in order.
   */
  constructor(first: number, note: (part: Part, signal: AbortSignal) => Promise<void> | void) {
    this.#next = first;
    this.#note = note;
  }

  /** Parts noted so far. */
  get parts(): number {
    return this.#parts;
  }

  /** Take in an acknowledged part. Resolves when everything is noted that can be; the signal ends the noting. */
  add(part: Part, signal: AbortSignal): Promise<void> {
    this.#early.set(part.chunks[0]?.index ?? -1, part);
    this.#queue = this.#queue.then(() => this.#drain(signal));
    return this.#queue;
  }

  /** Throw unless every part found its place. */
  checkComplete(): void {
    if (this.#early.size > 0)
      throw new EngineError('VOST_LOST_CHUNK', 'internal', `chunk ${this.#next} was never acknowledged`);
  }

  async #drain(signal: AbortSignal): Promise<void> {
    for (let part = this.#early.get(this.#next); part !== undefined; part = this.#early.get(this.#next)) {
      this.#early.delete(this.#next);
      await this.#note(part, signal);
      this.#next += part.chunks.length;
      this.#parts += 1;
    }
  }
}
