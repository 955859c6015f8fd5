import { LEAF_BYTES } from '../../bridge/bridge.ts';
import { EngineError } from '../../errors.ts';
import { type Chunk, sizeOf } from '../../pipeline/chunk.ts';
import { joined } from '../../pipeline/joined.ts';
import type { StageMemory } from '../../pipeline/stage.ts';
import { lz4Codec } from './codec.ts';
import { FRAME_BYTES, type Frame, inspectFrames } from './frame.ts';

/** Frames of one chunk at work at the same time. */
const FRAMES_AT_WORK = 2 * lz4Codec.threads;

/** Room for the output of a chunk, and for the frames that are on their way to and from the threads. */
export function roomFor(length: number): number {
  const inFlight = Math.min(FRAMES_AT_WORK, Math.ceil(length / FRAME_BYTES)) * 2 * FRAME_BYTES;
  return length + Math.min(inFlight, length);
}

/** The chunk as frames, and for how long threads worked on it. Undefined when the frames are no smaller than the data: their memory must not exceed what the chunk gives back. */
export async function compress(
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

/** The inverse of all that the stage makes of a chunk. Throws class `integrity` when the bytes are something else. */
export async function decompress(chunk: Chunk, env: StageMemory, signal: AbortSignal): Promise<Chunk> {
  const [stored] = chunk.pieces;
  if (stored === undefined || chunk.pieces.length !== 1) throw new Error('lz4 takes stored chunks in one piece');
  const frames = inspectFrames(stored, chunk.length);
  const [only] = frames;
  // A frame of ours that only stores: hand on views, the digests of the checksum stage cover them.
  if (frames.length === 1 && only?.stored && inLeaves(only.stored)) {
    if (sizeOf(only.stored) !== chunk.length) throw wrongLength(chunk, only.stored);
    return { ...chunk, pieces: only.stored };
  }
  const lease = env.scope.addTicket(await env.budget.takeForOutput(roomFor(chunk.length), signal));
  try {
    const contents = await inTurns(frames, signal, decode);
    if (sizeOf(contents) !== chunk.length) throw wrongLength(chunk, contents);
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

function wrongLength(chunk: Chunk, found: readonly Uint8Array[]): EngineError {
  return corrupt(chunk, `${sizeOf(found)} bytes instead of ${chunk.length}`);
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
