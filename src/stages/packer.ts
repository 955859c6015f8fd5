import { EngineError } from '../errors.ts';
import { type Chunk, sizeOf } from '../pipeline/chunk.ts';
import type { Lease } from '../pipeline/lease.ts';
import { type Emit, StepTransform } from '../pipeline/step-transform.ts';
import type { PartPlan } from './part-planner.ts';

/** Where one chunk lies in storage. */
export interface StoredChunk {
  readonly index: number;
  /** Logical place. */
  readonly offset: number;
  readonly length: number;
  /** Fragment number, from 1, and the place of the encoded bytes in it. */
  readonly fragment: number;
  readonly storedOffset: number;
  readonly storedLength: number;
  /** Leaf digests, 32 bytes each. */
  readonly leaves: Uint8Array;
}

/** What goes to storage in one request: consecutive encoded chunks of one fragment. */
export interface Part {
  readonly fragment: number;
  /** Part number in the fragment, from 1. */
  readonly number: number;
  /** Place in the fragment, bytes. */
  readonly offset: number;
  readonly size: number;
  readonly pieces: readonly Uint8Array[];
  readonly chunks: readonly StoredChunk[];
  /** Hold the memory of `pieces`: release when storage has acknowledged the part. */
  readonly leases: readonly Lease[];
  /** The part is all that its fragment will ever have, so it need not be a multipart upload. */
  readonly whole: boolean;
}

/** Where chunks wait for more to make a part when they may not wait in memory. `Run` is what was put away at once. */
export interface Holder<Run> {
  /** Put chunks away. Their memory is released when this resolves. */
  put(chunks: readonly StoredChunk[], pieces: readonly Uint8Array[], signal: AbortSignal): Promise<Run>;
  chunksOf(run: Run): readonly StoredChunk[];
  /** Get the encoded bytes of all runs back, in order. */
  load(
    runs: readonly Run[],
    signal: AbortSignal,
  ): Promise<{ readonly pieces: readonly Uint8Array[]; readonly lease: Lease }>;
}

/** Where to go on in an image that others have begun. */
export interface PackerStart<Run> {
  readonly fragment: number;
  /** Number and offset of the fragment's next part. */
  readonly number: number;
  readonly offset: number;
  /**
   * Storage may have parts of this fragment up to this number that do not count. All of them must be sent again, because an upload is
   * completed with every part that it has; so parts are made as small as is allowed until then.
   */
  readonly fillTo: number;
  /** What was put away and belongs to the next part. */
  readonly held: readonly Run[];
}

/** What a packer has done and has in hand. */
export interface PackerState {
  /** Chunks taken in. */
  readonly taken: number;
  /** Parts passed on. */
  readonly parts: number;
  /** Chunks in memory that are not part of a part yet. */
  readonly loose: number;
}

export interface PackerOptions<Run> {
  readonly plan: PartPlan;
  /** Smallest part that the store takes, but for the last of a fragment, bytes. Default 1. */
  readonly minPartBytes?: number;
  /**
   * Most chunks of a part; a fragment ends early when so many are less than a part. Bounds the memory for chunks that compress to nothing.
   * Default: any number.
   */
  readonly maxChunks?: number;
  readonly start?: PackerStart<Run> | undefined;
  /** Takes chunks that are too few for a part when {@link PRESS} says so. */
  readonly holder?: Holder<Run>;
  readonly onChange?: (state: PackerState) => void;
}

/** Written to a packer, it lets go of all chunks in memory: as a part when they are enough for one, else through the holder. */
export const PRESS = Symbol('press');

/** Gathers encoded chunks into parts and parts into fragments, as the plan says. A chunk never spans two parts. */
export function createPacker<Run = never>(options: PackerOptions<Run>): StepTransform<Chunk | typeof PRESS, Part> {
  const { plan, start, minPartBytes = 1, maxChunks = Number.POSITIVE_INFINITY, holder } = options;
  let fragment = start?.fragment ?? 1;
  let number = start?.number ?? 1;
  let offset = start?.offset ?? 0;
  let size = 0;
  /** The chunks of the next part: first those put away, then those in memory. */
  let away: { run: Run; chunks: readonly StoredChunk[] }[] = [];
  let loose: { chunk: Chunk; stored: StoredChunk }[] = [];
  let count = 0;
  let taken = 0;
  let parts = 0;

  const change = (): void => options.onChange?.({ taken, parts, loose: loose.length });

  /** Give a chunk its place. */
  const place = (chunk: Omit<StoredChunk, 'fragment' | 'storedOffset'>): StoredChunk => {
    const stored = { ...chunk, fragment, storedOffset: offset + size };
    size += chunk.storedLength;
    count += 1;
    return stored;
  };

  if (holder) for (const run of start?.held ?? []) away.push({ run, chunks: holder.chunksOf(run).map(place) });

  const target = (): number => {
    const filling = start !== undefined && fragment === start.fragment && number <= start.fillTo;
    return filling ? minPartBytes : plan.target(number);
  };

  const send = async (emit: Emit<Part>, whole: boolean, signal: AbortSignal): Promise<void> => {
    const runs = away.map(({ run }) => run);
    const loaded = holder && runs.length > 0 ? await holder.load(runs, signal) : undefined;
    const part: Part = {
      fragment,
      number,
      offset,
      size,
      pieces: [...(loaded?.pieces ?? []), ...loose.flatMap(({ chunk }) => chunk.pieces)],
      chunks: [...away.flatMap(({ chunks }) => chunks), ...loose.map(({ stored }) => stored)],
      leases: [...(loaded ? [loaded.lease] : []), ...loose.map(({ chunk }) => chunk.lease)],
      whole,
    };
    number += 1;
    offset += size;
    size = 0;
    count = 0;
    away = [];
    loose = [];
    parts += 1;
    change();
    await emit(part);
  };

  /** End the fragment; its last part may be smaller than the plan's target. */
  const endFragment = async (emit: Emit<Part>, signal: AbortSignal): Promise<void> => {
    if (count > 0) await send(emit, number === 1, signal);
    fragment += 1;
    number = 1;
    offset = 0;
  };

  const take = async (chunk: Chunk, emit: Emit<Part>, signal: AbortSignal): Promise<void> => {
    const length = sizeOf(chunk.pieces);
    if (chunk.leaves === undefined)
      throw new EngineError('VOST_NO_DIGEST', 'internal', `chunk ${chunk.index} came without digests`);
    if (!plan.fits(number, offset, size + length)) {
      await endFragment(emit, signal);
      if (!plan.fits(number, offset, length)) {
        throw new EngineError(
          'VOST_CHUNK_TOO_LARGE',
          'usage',
          `a chunk of ${length} bytes exceeds what the store allows for an object`,
          {
            advice: 'lower the chunk size',
          },
        );
      }
    }
    const { index, offset: position, leaves } = chunk;
    const stored = place({ index, offset: position, length: chunk.length, storedLength: length, leaves });
    loose.push({ chunk, stored });
    taken += 1;
    change();
    if (size >= target()) await send(emit, false, signal);
    else if (count >= maxChunks) await (size >= minPartBytes ? send(emit, false, signal) : endFragment(emit, signal));
  };

  const press = async (emit: Emit<Part>, signal: AbortSignal): Promise<void> => {
    if (loose.length === 0 || holder === undefined) return change();
    if (size >= minPartBytes) return send(emit, false, signal);
    const chunks = loose.map(({ stored }) => stored);
    const pieces = loose.flatMap(({ chunk }) => chunk.pieces);
    away.push({ run: await holder.put(chunks, pieces, signal), chunks });
    for (const { chunk } of loose) chunk.lease.release();
    loose = [];
    change();
  };

  return new StepTransform<Chunk | typeof PRESS, Part>({
    name: 'packer',
    step: (item, emit, signal) => (item === PRESS ? press(emit, signal) : take(item, emit, signal)),
    finish: endFragment,
  });
}
