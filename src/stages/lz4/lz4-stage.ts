import { z } from 'zod';
import { type Chunk, sizeOf } from '../../pipeline/chunk.ts';
import type { Stage, StageInstance, StageMemory } from '../../pipeline/stage.ts';
import type { StageMeters } from '../../pipeline/stage-meters.ts';
import { compress, decompress, roomFor } from './chunk-frames.ts';
import { lz4Codec } from './codec.ts';
import { storedFrame, storedFrameBytes } from './frame.ts';
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

/** What the pilot wants, as far as it is worth it. Stored chunks have no content checksum, which would cost as much as all the rest of their way. */
function compressSome({ minSaving }: Options, env: StageMemory, flow: StageMeters, pilot: Pilot): StageInstance {
  const known = new Incompressible();
  pilot.begin();
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
