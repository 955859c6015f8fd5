import { z } from 'zod';
import { LEAF_BYTES } from '../../bridge/bridge.ts';
import { EngineError } from '../../errors.ts';
import { type Chunk, sizeOf } from '../../pipeline/chunk.ts';
import { joined } from '../../pipeline/joined.ts';
import type { Stage, StageInstance, StageMemory } from '../../pipeline/stage.ts';
import type { StageMeters } from '../../pipeline/stage-meters.ts';
import { lz4Codec } from './codec.ts';
import { FRAME_BYTES, type Frame, inspectFrames, storedFrame, storedFrameBytes } from './frame.ts';
import { type Lz4Decision, Lz4Pilot, type Pilot } from './pilot.ts';
import { Incompressible, sample } from './sampling.ts';

const Options = z.strictObject({
  /** A chunk whose samples shrink by less than this share is stored as it is. */
  minSaving: z.number().min(0).max(0.9).default(0.05),
  /** Compress only as many chunks as make the backup faster. */
  auto: z.literal(true).optional(),
});
type Options = z.output<typeof Options>;

/** Chunks in the stage at the same time; the frames of each keep all threads busy. */
const CONCURRENCY = 2;
/** Frames of one chunk at work at the same time. */
const FRAMES_AT_WORK = 2 * lz4Codec.threads;

/**
 * LZ4 frames of at most 4 MiB content each, so that `lz4 -d` on the concatenated fragments gives the image without us. Chunks that samples show to be
 * incompressible, and those whose compression would not be worth it, become one frame of stored blocks that point at the chunk's own memory.
 *
 * @param onDecision hears when another share of the chunks is compressed.
 * @param createPilot what decides for one storage.
 */
export function createLz4Stage(
  onDecision: (decision: Lz4Decision) => void = () => undefined,
  createPilot: (flow: StageMeters) => Pilot = (flow) => new Lz4Pilot(flow, lz4Codec.threads, onDecision),
): Stage<Options> {
  const pilots = new WeakMap<StageMeters, Pilot>();
  const pilotOf = (flow: StageMeters): Pilot => {
    const pilot = pilots.get(flow) ?? createPilot(flow);
    pilots.set(flow, pilot);
    return pilot;
  };
  return {
    name: 'lz4',
    version: '1.0.0',
    options: Options,
    transforms: true,
    bound: storedFrameBytes,
    workingBytes: roomFor,
    forward: (options, env) =>
      options.auto && env.flow ? compressSome(options, env, env.flow, pilotOf(env.flow)) : compressAll(options, env),
    inverse: (_options, env) => ({
      concurrency: CONCURRENCY,
      apply: (chunk, signal) => decompress(chunk, env, signal),
    }),
  };
}

/** What is worth it at all. */
function compressAll({ minSaving }: Options, env: StageMemory): StageInstance {
  return {
    concurrency: CONCURRENCY,
    apply: async (chunk, signal) => {
      const data = dataOf(chunk);
      const store = async (): Promise<Chunk> => ({
        ...chunk,
        pieces: storedFrame(data, await env.bridge.xxh32([data])),
      });
      if (!shrinks(await sample(data), minSaving)) return store();
      return (await compress(chunk, data, env, signal))?.chunk ?? store();
    },
  };
}

/** What the pilot wants, as far as it is worth it. Stored chunks have no content checksum, which would cost as much as half of their way to storage. */
function compressSome({ minSaving }: Options, env: StageMemory, flow: StageMeters, pilot: Pilot): StageInstance {
  const known = new Incompressible();
  return {
    concurrency: CONCURRENCY,
    apply: async (chunk, signal) => {
      const data = dataOf(chunk);
      const store = (outcome: 'incompressible' | 'unneeded'): Chunk => {
        flow.decided(outcome);
        return { ...chunk, pieces: storedFrame(data) };
      };
      let verdict = pilot.ask(chunk.length);
      if (verdict === 'store') return store('unneeded');
      if (known.skips(chunk.length)) return store('incompressible');
      const looked = await sample(data);
      const worthIt = shrinks(looked, minSaving);
      known.saw(!worthIt);
      if (!worthIt) return store('incompressible');
      if (looked !== undefined) pilot.saw(looked);
      if (verdict === 'look') verdict = pilot.ask(chunk.length);
      if (verdict !== 'compress') return store('unneeded');
      const result = await compress(chunk, data, env, signal);
      if (result === undefined) return store('incompressible');
      pilot.saw({ bytes: chunk.length, left: sizeOf(result.chunk.pieces), milliseconds: result.milliseconds });
      flow.decided('compressed');
      return result.chunk;
    },
  };
}

function dataOf(chunk: Chunk): Uint8Array {
  const [data] = chunk.pieces;
  if (data === undefined || chunk.pieces.length !== 1) throw new Error('lz4 takes chunks in one piece');
  return data;
}

/** Data too short for samples is compressed to see. */
function shrinks(sampled: { readonly bytes: number; readonly left: number } | undefined, minSaving: number): boolean {
  return sampled === undefined || sampled.left <= sampled.bytes * (1 - minSaving);
}

/** Room for the output of a chunk, and for the frames that are on their way to and from the threads. */
function roomFor(length: number): number {
  const inFlight = Math.min(FRAMES_AT_WORK, Math.ceil(length / FRAME_BYTES)) * 2 * FRAME_BYTES;
  return length + Math.min(inFlight, length);
}

/** Undefined when the frames are no smaller than the data: their memory must not exceed what the chunk gives back. */
async function compress(
  chunk: Chunk,
  data: Uint8Array,
  env: StageMemory,
  signal: AbortSignal,
): Promise<{ readonly chunk: Chunk; readonly milliseconds: number } | undefined> {
  const lease = env.scope.addTicket(await env.budget.takeForOutput(roomFor(data.byteLength), signal));
  try {
    const blocks = Array.from({ length: Math.ceil(data.byteLength / FRAME_BYTES) }, (_, nth) =>
      data.subarray(nth * FRAME_BYTES, (nth + 1) * FRAME_BYTES),
    );
    const results = await inTurns(blocks, signal, (block) => lz4Codec.compress(block));
    const frames = results.map(({ data }) => data);
    if (sizeOf(frames) < data.byteLength) {
      lease.adopt(frames);
      chunk.lease.release();
      const milliseconds = results.reduce((sum, result) => sum + result.milliseconds, 0);
      return { chunk: { ...chunk, pieces: frames, lease }, milliseconds };
    }
  } catch (error) {
    lease.release();
    throw error;
  }
  lease.release();
  return undefined;
}

async function decompress(chunk: Chunk, env: StageMemory, signal: AbortSignal): Promise<Chunk> {
  const [stored] = chunk.pieces;
  if (stored === undefined || chunk.pieces.length !== 1) throw new Error('lz4 takes stored chunks in one piece');
  const frames = inspectFrames(stored, chunk.length);
  const [only] = frames;
  // A frame of ours that only stores: hand on views, the digests of the checksum stage cover them.
  if (frames.length === 1 && only?.stored && inLeaves(only.stored)) return { ...chunk, pieces: only.stored };
  const lease = env.scope.addTicket(await env.budget.takeForOutput(roomFor(chunk.length), signal));
  try {
    const contents = await inTurns(frames, signal, decode);
    if (sizeOf(contents) !== chunk.length) throw corrupt(chunk, `${sizeOf(contents)} bytes instead of ${chunk.length}`);
    const pieces = inLeaves(contents) ? contents : [joined(contents)];
    lease.adopt(pieces);
    chunk.lease.release();
    return { ...chunk, pieces, lease };
  } catch (error) {
    lease.release();
    throw error;
  }

  async function decode({ bytes }: Frame): Promise<Uint8Array> {
    try {
      return await lz4Codec.decompress(bytes);
    } catch (cause) {
      throw corrupt(chunk, 'an error', cause);
    }
  }
}

function corrupt(chunk: Chunk, found: string, cause?: unknown): EngineError {
  return new EngineError(
    'VOST_CORRUPT_FRAME',
    'integrity',
    `decoding the LZ4 frames of chunk ${chunk.index} gives ${found}`,
    {
      cause,
      details: { chunk: chunk.index, offset: chunk.offset },
    },
  );
}

/** Whether every piece but the last is whole leaves, so that each can be hashed alone. */
function inLeaves(pieces: readonly Uint8Array[]): boolean {
  return pieces.every((piece, at) => at === pieces.length - 1 || piece.byteLength % LEAF_BYTES === 0);
}

/** Work on all items, a bounded number at a time; results in order. After a failure or abort nothing is left running. */
async function inTurns<In, Out>(
  items: readonly In[],
  signal: AbortSignal,
  work: (item: In) => Promise<Out>,
): Promise<Out[]> {
  const results: Out[] = [];
  let next = 0;
  let failed = false;
  const lane = async (): Promise<void> => {
    for (let at = next++; at < items.length && !failed; at = next++) {
      signal.throwIfAborted();
      results[at] = await work(items[at] as In);
    }
  };
  const lanes = Array.from({ length: Math.min(FRAMES_AT_WORK, items.length) }, () =>
    lane().catch((error: unknown) => {
      failed = true;
      throw error;
    }),
  );
  const settled = await Promise.allSettled(lanes);
  const failure = settled.find((outcome) => outcome.status === 'rejected');
  if (failure) throw failure.reason;
  return results;
}
