import { EngineError } from '../errors.ts';
import { type Chunk, sizeOf } from '../pipeline/chunk.ts';
import { LeaseScope, noLease } from '../pipeline/lease.ts';
import type { Resources } from '../pipeline/resources.ts';
import type { StageEnv } from '../pipeline/stage.ts';
import { boundOf, type ConfiguredStage } from '../pipeline/stage-registry.ts';
import type { ImageInfo } from '../stage-api/index.ts';

/** Where a chunk is in its image. */
export interface TailPlace {
  readonly index: number;
  readonly offset: number;
}

/**
 * Puts the last, short chunk of an unfinished image through the image's transforms, and back: what stages keep out of storage (bytes that they
 * encrypt) must not lie there meanwhile either.
 */
export class TailCodec {
  readonly #stages: readonly ConfiguredStage[];
  readonly #resources: Resources;
  readonly #image: ImageInfo;

  constructor(stages: readonly ConfiguredStage[], resources: Resources, image: ImageInfo) {
    this.#stages = stages.filter(({ transforms }) => transforms);
    this.#resources = resources;
    this.#image = image;
  }

  /** Without transforms it lies in storage as it is. */
  get transforms(): boolean {
    return this.#stages.length > 0;
  }

  /** Encode a chunk; what comes of it may be used until `use` has resolved. */
  async encode<T>(
    bytes: Uint8Array,
    place: TailPlace,
    signal: AbortSignal,
    use: (pieces: readonly Uint8Array[]) => Promise<T>,
  ): Promise<T> {
    const scope = new LeaseScope();
    try {
      const { length } = bytes;
      let chunk: Chunk = { ...place, length, pieces: [bytes], lease: noLease, leaves: new Uint8Array(0) };
      for (const [at, stage] of this.#stages.entries()) {
        const instance = stage.forward(this.#env(scope, at));
        chunk = await instance.apply(chunk, signal);
        await instance.close?.();
      }
      return await use(chunk.pieces);
    } finally {
      scope.releaseAll();
    }
  }

  /**
   * Decode `stored` bytes, which `read` fetches, into all of `into`.
   *
   * @throws EngineError `integrity` when they cannot be what was encoded
   */
  async decode(
    into: Uint8Array,
    place: TailPlace,
    stored: number,
    read: (bytes: Uint8Array) => Promise<unknown>,
    signal: AbortSignal,
  ): Promise<void> {
    const { length } = into;
    if (stored > boundOf(this.#stages, length))
      throw new EngineError('VOST_CORRUPT', 'integrity', `${stored} stored bytes are too many for ${length}`);
    const scope = new LeaseScope();
    try {
      const lease = scope.addTicket(await this.#resources.budget.take(stored, signal));
      const bytes = new Uint8Array(stored);
      await read(bytes);
      let chunk: Chunk = { ...place, length, pieces: [bytes], lease, leaves: new Uint8Array(0) };
      for (const [at, stage] of [...this.#stages.entries()].toReversed()) {
        const instance = stage.inverse(this.#env(scope, at));
        chunk = await instance.apply(chunk, signal);
        await instance.close?.();
      }
      if (sizeOf(chunk.pieces) !== length)
        throw new EngineError('VOST_CORRUPT', 'integrity', `the kept chunk ${place.index} has not its length`);
      let at = 0;
      for (const piece of chunk.pieces) {
        into.set(piece, at);
        at += piece.byteLength;
      }
    } finally {
      scope.releaseAll();
    }
  }

  #env(scope: LeaseScope, at: number): StageEnv {
    const { budget, bridge, slabs } = this.#resources;
    const before = this.#stages.slice(0, at);
    return { budget, scope, bridge, slabs, image: this.#image, before: (length) => boundOf(before, length) };
  }
}
