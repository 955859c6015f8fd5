import { compressFrame, decompressFrame } from 'lz4-napi';
import { z } from 'zod';
import { LEAF_BYTES } from '../../bridge/bridge.ts';
import { EngineError } from '../../errors.ts';
import { type Chunk, sizeOf } from '../../pipeline/chunk.ts';
import type { Stage, StageEnv } from '../../pipeline/stage.ts';
import { inspectFrame, storedFrame, storedFrameBytes } from './frame.ts';

const Options = z.strictObject({
  /** A chunk whose samples shrink by less than this share is stored as it is. */
  minSaving: z.number().min(0).max(0.9).default(0.05),
});

/** Chunks in the compressor at the same time. lz4-napi works on Node's thread pool, which has four threads. */
const CONCURRENCY = 2;
const SAMPLE_BYTES = 64 * 1024;
const SAMPLES = 4;

/**
 * One LZ4 frame with content checksum per chunk, so that `lz4 -d` on the concatenated fragments gives the image without us. Chunks that
 * samples show to be incompressible become frames of stored blocks that point at the chunk's own memory.
 */
export const lz4Stage: Stage<z.output<typeof Options>> = {
  name: 'lz4',
  version: '1.0.0',
  options: Options,
  transforms: true,
  bound: storedFrameBytes,
  forward: (options, env) => ({
    concurrency: CONCURRENCY,
    apply: async (chunk, signal) => {
      const [data] = chunk.pieces;
      if (data === undefined || chunk.pieces.length !== 1) throw new Error('lz4 takes chunks in one piece');
      if (!(await isWorthIt(data, options.minSaving))) return store(chunk, data, env);
      return (await compress(chunk, data, env, signal)) ?? store(chunk, data, env);
    },
  }),
  inverse: (_options, env) => ({
    concurrency: CONCURRENCY,
    apply: (chunk, signal) => decompress(chunk, env, signal),
  }),
};

/** Compress a few samples spread over the chunk and see. Costs a quarter of a MiB's compression. */
async function isWorthIt(data: Uint8Array, minSaving: number): Promise<boolean> {
  if (data.byteLength <= SAMPLE_BYTES * SAMPLES) return true;
  const stride = Math.floor((data.byteLength - SAMPLE_BYTES) / (SAMPLES - 1));
  const samples = Array.from({ length: SAMPLES }, (_, nth) => data.subarray(nth * stride, nth * stride + SAMPLE_BYTES));
  const frames = await Promise.all(samples.map((sample) => compressFrame(sample)));
  return sizeOf(frames) <= SAMPLE_BYTES * SAMPLES * (1 - minSaving);
}

async function store(chunk: Chunk, data: Uint8Array, env: StageEnv): Promise<Chunk> {
  return { ...chunk, pieces: storedFrame(data, await env.bridge.xxh32([data])) };
}

/** Undefined when the frame is no smaller than the data: its memory must not exceed what the chunk gives back. */
async function compress(
  chunk: Chunk,
  data: Uint8Array,
  env: StageEnv,
  signal: AbortSignal,
): Promise<Chunk | undefined> {
  // The library builds the frame in memory of its own and then copies it into a Buffer: room for both.
  const ticket = await env.budget.takeForOutput(2 * data.byteLength, signal);
  const lease = env.scope.addTicket(ticket);
  try {
    const frame = await compressFrame(data, { contentChecksum: true });
    if (frame.byteLength >= data.byteLength) {
      lease.release();
      return undefined;
    }
    ticket.shrink(frame.byteLength);
    chunk.lease.release();
    return { ...chunk, pieces: [frame], lease };
  } catch (error) {
    lease.release();
    throw error;
  }
}

async function decompress(chunk: Chunk, env: StageEnv, signal: AbortSignal): Promise<Chunk> {
  const frame = chunk.pieces.length === 1 ? chunk.pieces[0] : undefined;
  if (frame === undefined) throw new Error('lz4 takes frames in one piece');
  const { stored } = inspectFrame(frame, chunk.length);
  // Frames of ours that only store: hand on views, the digests of the checksum stage cover them.
  if (stored?.every((block, at) => at === stored.length - 1 || block.byteLength % LEAF_BYTES === 0))
    return { ...chunk, pieces: stored };
  const ticket = await env.budget.takeForOutput(2 * chunk.length, signal);
  const lease = env.scope.addTicket(ticket);
  try {
    const data = await decompressFrame(frame);
    ticket.shrink(data.byteLength);
    chunk.lease.release();
    return { ...chunk, pieces: [data], lease };
  } catch (error) {
    lease.release();
    throw new EngineError(
      'VOST_CORRUPT_FRAME',
      'integrity',
      `the LZ4 frame of chunk ${chunk.index} cannot be decoded`,
      {
        cause: error,
        details: { chunk: chunk.index, offset: chunk.offset },
      },
    );
  }
}
