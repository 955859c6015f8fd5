import { EngineError } from '../errors.ts';
import type { Run, SourceWrite } from '../pipeline/chunk.ts';
import type { LeaseScope } from '../pipeline/lease.ts';
import type { Slab, SlabPool } from '../pipeline/slab-pool.ts';
import { StageClock } from '../pipeline/stage-clock.ts';
import { type Emit, StepTransform } from '../pipeline/step-transform.ts';
import { Coverage } from './coverage.ts';

export interface AggregatorOptions {
  readonly pool: SlabPool;
  /** Length of a slab, and so of every run but the last, bytes. */
  readonly slabBytes: number;
  readonly scope: LeaseScope;
  /** How far beyond the first missing byte a write may reach, bytes. It costs that much memory when used. */
  readonly window: number;
  /** Where the image's bytes begin, when a pending image is continued. Default 0. */
  readonly start?: number;
}

interface OpenSlab {
  readonly slab: Slab;
  readonly coverage: Coverage;
}

/**
 * Joins the source's writes into full slabs, in order. Small writes are copied, once, into the slab that
 * they belong to; a slab is sealed and passed on when every byte up to its end has been written. Writes may come out of order or
 * rewrite earlier bytes as long as these are not sealed and lie inside the window. A gap left at the
 * end, a write to sealed bytes and a write beyond the window are errors of class `usage`.
 */
export function createAggregator(options: AggregatorOptions): StepTransform<SourceWrite, Run> {
  const { pool, slabBytes, scope, window } = options;
  const clock = new StageClock();
  const open = new Map<number, OpenSlab>();
  /** First byte not passed on yet. Slabs are counted from `start`. */
  const start = options.start ?? 0;
  let sealed = start;

  const slabOf = (position: number): number => Math.floor((position - start) / slabBytes);

  /** First byte missing after everything that is sealed. */
  const firstMissing = (): number => {
    let position = sealed;
    for (let at = slabOf(sealed); ; at += 1) {
      const filled = open.get(at)?.coverage.filled ?? 0;
      position += filled;
      if (filled < slabBytes) return position;
    }
  };

  const check = ({ offset, data }: SourceWrite): void => {
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new EngineError('VOST_OFFSET', 'usage', `${offset} is not an offset`);
    }
    if (data.byteLength === 0) return;
    if (offset < sealed) {
      throw new EngineError(
        'VOST_SEALED',
        'usage',
        `write at ${offset} (${data.byteLength} bytes) touches bytes already on their way to storage; the first byte still open is ${sealed}`,
        { details: { offset, length: data.byteLength, sealed } },
      );
    }
    // A write at or before the first missing byte is always fine: what it fills is sealed as it goes.
    if (offset <= sealed) return;
    const missing = firstMissing();
    if (offset <= missing) return;
    const end = offset + data.byteLength;
    if (end > missing + window) {
      throw new EngineError(
        'VOST_WINDOW',
        'usage',
        `write at ${offset} (${data.byteLength} bytes) is too far ahead: byte ${missing} is still missing and the window is ${window} bytes`,
        { advice: 'write closer to sequential order, or enlarge the window', details: { offset, missing, window } },
      );
    }
  };

  /** Copy what of the write belongs to one slab. */
  const fill = (target: OpenSlab, at: number, write: SourceWrite): void => {
    const slabStart = start + at * slabBytes;
    const from = Math.max(write.offset, slabStart);
    const to = Math.min(write.offset + write.data.byteLength, slabStart + slabBytes);
    target.slab.bytes.set(write.data.subarray(from - write.offset, to - write.offset), from - slabStart);
    target.coverage.add(from - slabStart, to - slabStart);
  };

  const isFull = (at: number): boolean => open.get(at)?.coverage.filled === slabBytes;

  const sealFull = async (emit: Emit<Run>): Promise<void> => {
    for (let at = slabOf(sealed); isFull(at); at += 1) {
      const { slab } = open.get(at) as OpenSlab;
      open.delete(at);
      const offset = sealed;
      sealed += slabBytes;
      await emit({ offset, data: slab.bytes, lease: slab.lease });
    }
  };

  const take = async (write: SourceWrite, emit: Emit<Run>, signal: AbortSignal): Promise<void> => {
    const first = slabOf(write.offset);
    const last = slabOf(write.offset + write.data.byteLength - 1);
    // What it rewrites goes first: filling a gap can seal slabs that lie further on in this same write.
    for (const [at, target] of open) if (at >= first && at <= last) fill(target, at, write);
    await sealFull(emit);
    for (let at = first; at <= last; at += 1) {
      if (at < slabOf(sealed) || open.has(at)) continue;
      const target = { slab: await clock.room(pool.acquire(slabBytes, scope, signal)), coverage: new Coverage() };
      open.set(at, target);
      fill(target, at, write);
      await sealFull(emit);
    }
  };

  return new StepTransform<SourceWrite, Run>({
    name: 'aggregator',
    clock,
    step: (write, emit, signal) => {
      check(write);
      if (write.data.byteLength === 0) return undefined;
      // The common case, a write inside an open slab that leaves it unfinished, needs no waiting.
      const at = slabOf(write.offset);
      const target = open.get(at);
      if (target !== undefined && at === slabOf(write.offset + write.data.byteLength - 1)) {
        fill(target, at, write);
        return isFull(at) && at === slabOf(sealed) ? sealFull(emit) : undefined;
      }
      return take(write, emit, signal);
    },
    finish: async (emit) => {
      const missing = firstMissing();
      const end = Math.max(missing, ...[...open].map(([at, { coverage }]) => start + at * slabBytes + coverage.end));
      if (end > missing) {
        throw new EngineError(
          'VOST_GAP',
          'usage',
          `bytes from ${missing} on were never written, but later ones up to ${end} were`,
          {
            details: { missing, end },
          },
        );
      }
      const rest = open.get(slabOf(sealed));
      if (rest === undefined) return;
      open.clear();
      await emit({ offset: sealed, data: rest.slab.bytes.subarray(0, missing - sealed), lease: rest.slab.lease });
    },
  });
}
