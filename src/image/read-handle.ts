import { DIGEST_BYTES, LEAF_BYTES } from '../bridge/bridge.ts';
import { abortError, EngineError } from '../errors.ts';
import { LeaseScope, noLease } from '../pipeline/lease.ts';
import type { StageMemory } from '../pipeline/stage.ts';
import { StageClock } from '../pipeline/stage-clock.ts';
import type { StoredChunk } from '../stages/packer.ts';
import { bound, inSpan } from '../tracing/spans.ts';
import { checkIdentity, type ImageIdentity, imageIdOf } from './identity.ts';
import type { HandleContext, ReadHandle, ReadRange } from './image-backend.ts';
import { ImageReader, type NamedClock } from './image-reader.ts';
import type { Manifest } from './manifest.ts';
import { readMeta } from './meta-blobs.ts';
import { imagePrefix } from './names.ts';

/** Open a complete image for reading: two requests. Throws `not-found`, also for an unfinished one, `unsupported`, `integrity`. */
export async function openReadHandle(context: HandleContext, identity: ImageIdentity): Promise<ReadHandle> {
  const imageId = imageIdOf(checkIdentity(identity));
  const reader = await ImageReader.open(context.store, context.resources, imageId, context.signal);
  return new ImageReadHandle(context, reader);
}

/** A chunk, or the leaves of it that are needed, on its way into the caller's memory. */
interface Piece {
  readonly chunk: StoredChunk;
  /** Where it begins in the caller's memory. */
  readonly at: number;
}

class ImageReadHandle implements ReadHandle {
  readonly imageId: string;
  readonly manifest: Manifest;
  readonly #context: HandleContext;
  readonly #reader: ImageReader;
  readonly #closed = new AbortController();
  /** Runs what belongs to the image in its trace, whoever asks for it. */
  readonly #inTrace = bound(<T>(work: () => Promise<T>): Promise<T> => work());
  readonly #running = new Set<Promise<unknown>>();
  /** Any number of reads share them: what they say is of the image. */
  readonly #fetching = new StageClock();
  readonly #decoding: readonly NamedClock[];
  readonly #endClocks: readonly (() => void)[];

  constructor(context: HandleContext, reader: ImageReader) {
    this.imageId = reader.imageId;
    this.manifest = reader.manifest;
    this.#context = context;
    this.#reader = reader;
    this.#decoding = reader.clocks();
    const clocks = [{ name: 'fetcher', clock: this.#fetching }, ...this.#decoding];
    this.#endClocks = clocks.map(({ name, clock }) => context.resources.meters.begin(name, 'restore', clock));
  }

  async read(
    offset: number,
    length: number,
    into: Uint8Array,
    sequential: boolean,
    signal?: AbortSignal,
  ): Promise<ReadRange> {
    const { size } = this.manifest;
    if (!Number.isSafeInteger(offset) || offset < 0 || !Number.isSafeInteger(length) || length < 0)
      throw new EngineError('VOST_RANGE', 'usage', `bytes from ${offset}, ${length} of them, are no range`);
    if (offset >= size) return { start: offset, length: 0, slotOffset: 0, eof: true };
    const wanted = sequential ? into.byteLength : Math.max(1, length);
    return this.#track(signal, (all) =>
      inSpan('chunks', { attributes: { 'vast_ost.offset': offset } }, async (span) => {
        const end = Math.min(size, offset + Math.max(1, Math.min(wanted, into.byteLength)));
        const range = this.#reader.wholeChunks
          ? await this.#readDecoded(offset, end, into, all)
          : await this.#readInPlace(offset, end, into, all);
        span.setAttribute('vast_ost.bytes', range.length);
        return { ...range, eof: range.start + range.length >= size };
      }),
    );
  }

  readMeta(index: number): Promise<Uint8Array> {
    const meta = this.manifest.metas?.find((one) => one.index === index);
    const prefix = imagePrefix(this.imageId);
    return this.#track(undefined, (signal) => readMeta(this.#context.store, prefix, index, meta, signal));
  }

  async close(): Promise<void> {
    this.#closed.abort(new EngineError('VOST_HANDLE_ENDED', 'usage', 'the handle on the image has ended'));
    await Promise.allSettled(this.#running);
    for (const end of this.#endClocks) end();
  }

  /** Stored bytes are the image's own: they are read into their place and verified there, leaf by leaf. */
  async #readInPlace(
    offset: number,
    end: number,
    into: Uint8Array,
    signal: AbortSignal,
  ): Promise<Omit<ReadRange, 'eof'>> {
    const pieces: Piece[] = [];
    let filled = 0;
    for await (const chunk of this.#reader.requests(offset, end, signal)) {
      const fitting = fit(chunk, into.byteLength - filled);
      if (fitting !== undefined) pieces.push({ chunk: fitting, at: filled });
      filled += fitting?.length ?? 0;
      if (fitting?.length !== chunk.length) break;
    }
    const start = pieces[0]?.chunk.offset;
    if (start === undefined || start + filled <= offset) throw tooSmall(into);
    const env = this.#env(new LeaseScope());
    await settleAll(
      runs(pieces).map(async (run) => {
        const [first, last] = [run[0] as Piece, run.at(-1) as Piece];
        await this.#fetch(first.chunk, into.subarray(first.at, last.at + last.chunk.length), signal);
        for (const { chunk, at } of run) {
          const bytes = into.subarray(at, at + chunk.length);
          const stored = { ...chunk, pieces: [bytes], lease: noLease };
          await this.#reader.decode(stored, env, this.#decoding, signal);
        }
      }),
    );
    return { start, length: filled, slotOffset: 0 };
  }

  /** Chunks are read whole into memory of ours, decoded, verified and copied; the first one from `offset` on if it is larger than what it goes to. */
  async #readDecoded(
    offset: number,
    end: number,
    into: Uint8Array,
    signal: AbortSignal,
  ): Promise<Omit<ReadRange, 'eof'>> {
    let start: number | undefined;
    let filled = 0;
    for await (const chunk of this.#reader.requests(offset, end, signal)) {
      const room = into.byteLength - filled;
      const from = start === undefined && chunk.length > room ? offset : chunk.offset;
      const length = Math.min(room, chunk.offset + chunk.length - from);
      if (length === 0) break;
      start ??= from;
      await this.#decodeInto(chunk, from, into.subarray(filled, filled + length), signal);
      filled += length;
    }
    if (start === undefined) throw tooSmall(into);
    return { start, length: filled, slotOffset: 0 };
  }

  /** Copy a chunk's bytes from logical offset `from` on. */
  async #decodeInto(chunk: StoredChunk, from: number, into: Uint8Array, signal: AbortSignal): Promise<void> {
    const scope = new LeaseScope();
    try {
      const { bytes, lease } = await this.#context.resources.slabs.acquire(chunk.storedLength, scope, signal);
      await this.#fetch(chunk, bytes, signal);
      const stored = { ...chunk, pieces: [bytes], lease };
      const decoded = await this.#reader.decode(stored, this.#env(scope), this.#decoding, signal);
      let at = chunk.offset;
      for (const piece of decoded.pieces) {
        const wanted = piece.subarray(Math.max(0, from - at), Math.max(0, from + into.byteLength - at));
        if (wanted.byteLength > 0) into.set(wanted, Math.max(at, from) - from);
        at += piece.byteLength;
      }
    } finally {
      scope.releaseAll();
    }
  }

  async #fetch(chunk: StoredChunk, into: Uint8Array, signal: AbortSignal): Promise<void> {
    const clock = this.#fetching;
    clock.begin();
    try {
      await this.#reader.fetch(chunk, into, signal);
    } finally {
      clock.end();
    }
    clock.bytesIn += into.byteLength;
    clock.bytesOut += into.byteLength;
  }

  #env(scope: LeaseScope): StageMemory {
    const { budget, bridge } = this.#context.resources;
    return { budget, bridge, scope };
  }

  async #track<T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const signals = [this.#closed.signal, this.#context.signal, signal].filter((one) => one !== undefined);
    const all = AbortSignal.any(signals);
    if (all.aborted) throw abortError(all);
    const running = this.#inTrace(() => work(all));
    this.#running.add(running);
    try {
      return await running;
    } catch (error) {
      throw this.#reader.named(error);
    } finally {
      this.#running.delete(running);
    }
  }
}

/** The leaves from a chunk's beginning that fit `room` bytes; undefined when not one does. */
function fit(chunk: StoredChunk, room: number): StoredChunk | undefined {
  if (chunk.length <= room) return chunk;
  const count = Math.floor(room / LEAF_BYTES);
  if (count === 0) return undefined;
  const length = count * LEAF_BYTES;
  return { ...chunk, length, storedLength: length, leaves: chunk.leaves.subarray(0, count * DIGEST_BYTES) };
}

/** Pieces that stand next to each other in storage, to be fetched with one request. */
function runs(pieces: readonly Piece[]): Piece[][] {
  const found: Piece[][] = [];
  for (const piece of pieces) {
    const before = found.at(-1)?.at(-1)?.chunk;
    const { fragment, storedOffset } = piece.chunk;
    if (before?.fragment === fragment && before.storedOffset + before.storedLength === storedOffset)
      found.at(-1)?.push(piece);
    else found.push([piece]);
  }
  return found;
}

/** Wait for all, then throw the first error: what is still running would write into memory that is another's by then. */
async function settleAll(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
}

function tooSmall(into: Uint8Array): EngineError {
  return new EngineError('VOST_RANGE', 'usage', `${into.byteLength} bytes cannot hold what one verification covers`, {
    advice: `give at least ${LEAF_BYTES} bytes`,
  });
}
