import type { Chunk } from '../pipeline/chunk.ts';
import { type Lease, shareLease } from '../pipeline/lease.ts';
import { placeOf } from '../pipeline/place.ts';
import type { StageEnv, StageInstance } from '../pipeline/stage.ts';
import type { ConfiguredObserver } from '../pipeline/stage-registry.ts';
import type { Json, Observation, StageReport } from '../stage-api/index.ts';
import type { ObserverDescription } from './description.ts';
import type { LoadedStage, StageConfiguration } from './loaded-stage.ts';
import type { SeenChunk, StageSession } from './protocol.ts';
import { stageFailure } from './stage-failure.ts';
import { concurrencyOf } from './vendor-transform.ts';

/** What the observations of one image may take, as JSON. */
const MAX_FOUND_BYTES = 64 * 2 ** 20;
/** Chunks of one call. */
const MOST_TOGETHER = 8;
/** What takes longer for a chunk is better made for one chunk at a time, so that several threads share the work. */
const QUICK_MS = 20;

/**
 * An observer for new images. Its options must have been checked.
 *
 * @param onChange hears when it wrote to what it was given, which harms nothing but costs; not asked for by default, because that costs as well.
 */
export function configuredObserver(
  stage: LoadedStage<ObserverDescription>,
  configuration: StageConfiguration,
  onChange?: () => void,
): ConfiguredObserver {
  return { name: stage.name, observe: (env) => observing(stage, configuration, env, onChange) };
}

function observing(
  stage: LoadedStage<ObserverDescription>,
  configuration: StageConfiguration,
  env: StageEnv,
  onChange: (() => void) | undefined,
): StageInstance {
  const { version, sample, placement } = stage.description;
  const most = concurrencyOf(stage.description);
  /** Calls under way, whose chunks may be stored already. */
  const looking = new Set<Promise<void>>();
  /** Chunks for the next call. */
  const gathered: Chunk[] = [];
  let signal: AbortSignal | undefined;
  /** Whether a chunk took it little time, when it was called last. */
  let quick = false;
  let failure: { readonly error: unknown } | undefined;
  const found: Observation<Json>[] = [];
  let bytes = 0;
  let session: Promise<StageSession> | undefined;
  const begin = (): Promise<StageSession> => {
    session ??= stage.session(configuration, {}, env.image, version);
    return session;
  };

  const tell = (reports: readonly StageReport[]): void => {
    for (const report of reports) env.onReport?.(stage.name, report);
  };

  const keep = (observation: Observation<Json>): void => {
    bytes += JSON.stringify(observation.result).length;
    if (bytes > MAX_FOUND_BYTES) {
      const said = `what it found in this image exceeds ${MAX_FOUND_BYTES} bytes`;
      throw stageFailure('VOST_STAGE_MEMORY', 'internal', { name: stage.name, call: 'observe' }, said);
    }
    found.push(observation);
  };

  const look = async (chunks: readonly Chunk[]): Promise<void> => {
    const session = await begin();
    const seen = chunks.map(seenOf);
    const watch = onChange !== undefined;
    const bytes = Math.max(...seen.map(({ input }) => input.bytes));
    const infos = seen.map(({ chunk }) => chunk);
    const create = () => ({ call: 'observe', session, seen, sample, watch }) as const;
    const { value, changed, reports } = await stage.call(create, session, { bytes, signal, chunks: infos });
    if (changed) onChange?.();
    tell(reports);
    const results = value as readonly Json[];
    if (stage.has('finish')) for (const [nth, chunk] of infos.entries()) keep({ chunk, result: results[nth] ?? null });
  };

  /** Have it look at what was gathered. */
  const send = (): void => {
    const chunks = gathered.splice(0);
    if (chunks.length === 0) return;
    const began = performance.now();
    const work = look(chunks)
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .finally(() => {
        quick = placement === 'worker' && (performance.now() - began) / chunks.length < QUICK_MS;
        for (const { lease } of chunks) lease.release();
        looking.delete(work);
      });
    looking.add(work);
  };

  /**
   * The chunk goes on at once, while its memory stays, unless so many calls are under way already. A look that is short costs less than the
   * message to the thread, so chunks are gathered for one message; but only while the memory of all is kept by those who store them.
   */
  const observe = async (chunk: Chunk, until: AbortSignal): Promise<Chunk> => {
    while (looking.size >= most) await Promise.race(looking);
    if (failure) throw failure.error;
    const [theirs, ours] = shareLease(chunk.lease, 2) as [Lease, Lease];
    const mine = { ...chunk, lease: ours };
    signal = until;
    gathered.push(mine);
    if (!quick || gathered.length >= MOST_TOGETHER) send();
    const release = (): void => {
      theirs.release();
      if (gathered.includes(mine)) send();
    };
    return { ...chunk, lease: { release } };
  };

  return {
    concurrency: 1,
    apply: observe,
    flush: async () => {
      send();
      await Promise.all(looking);
      if (failure) throw failure.error;
      if (!stage.has('finish') || env.suspends?.() === true) return;
      const session = await begin();
      found.sort((a, b) => a.chunk.index - b.chunk.index);
      const complete = found.every(({ chunk }, at) => chunk.index === at);
      tell((await stage.call(() => ({ call: 'finish', session, found, complete }), session, { bytes })).reports);
    },
    close: async () => {
      for (const { lease } of gathered.splice(0)) lease.release();
      await Promise.all(looking);
    },
  };
}

function seenOf({ pieces, index, offset, length, leaves = new Uint8Array(0) }: Chunk): SeenChunk {
  const [piece] = pieces;
  const input = piece && placeOf(piece);
  if (input === undefined || pieces.length > 1) throw new Error('observers take chunks in one piece of a slab');
  return { chunk: { index, offset, length, maxBytes: 0 }, input, leaves };
}
