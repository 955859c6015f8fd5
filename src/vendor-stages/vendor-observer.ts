import type { Chunk } from '../pipeline/chunk.ts';
import { type Lease, shareLease } from '../pipeline/lease.ts';
import { placeOf } from '../pipeline/place.ts';
import type { StageEnv, StageInstance } from '../pipeline/stage.ts';
import type { ConfiguredObserver } from '../pipeline/stage-registry.ts';
import type { Json, Observation, StageReport } from '../stage-api/index.ts';
import type { ObserverDescription } from './description.ts';
import type { LoadedStage, StageConfiguration } from './loaded-stage.ts';
import type { StageSession } from './protocol.ts';
import { stageFailure } from './stage-failure.ts';
import { concurrencyOf } from './vendor-transform.ts';

/** What the observations of one image may take, as JSON. */
const MAX_FOUND_BYTES = 64 * 2 ** 20;

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
  const { version, sample } = stage.description;
  const most = concurrencyOf(stage.description);
  /** Chunks that it looks at, some of which may be stored already. */
  const looking = new Set<Promise<void>>();
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

  const look = async (chunk: Chunk, signal: AbortSignal): Promise<void> => {
    const [piece] = chunk.pieces;
    const input = piece && placeOf(piece);
    if (input === undefined || chunk.pieces.length > 1) throw new Error('observers take chunks in one piece of a slab');
    const session = await begin();
    const info = { index: chunk.index, offset: chunk.offset, length: chunk.length, maxBytes: 0 };
    const { leaves = new Uint8Array(0) } = chunk;
    const watch = onChange !== undefined;
    const create = () => ({ call: 'observe', session, chunk: info, input, leaves, sample, watch }) as const;
    const options = { bytes: input.bytes, signal, chunk: info };
    const { value, changed, reports } = await stage.call(create, session, options);
    if (changed) onChange?.();
    tell(reports);
    if (stage.has('finish')) keep({ chunk: info, result: value ?? null });
  };

  /** The chunk goes on at once, while its memory stays, unless so many are being looked at already. */
  const observe = async (chunk: Chunk, signal: AbortSignal): Promise<Chunk> => {
    while (looking.size >= most) await Promise.race(looking);
    if (failure) throw failure.error;
    const [lease, ours] = shareLease(chunk.lease, 2) as [Lease, Lease];
    const work = look(chunk, signal)
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .finally(() => {
        ours.release();
        looking.delete(work);
      });
    looking.add(work);
    return { ...chunk, lease };
  };

  return {
    concurrency: 1,
    apply: observe,
    flush: async () => {
      await Promise.all(looking);
      if (failure) throw failure.error;
      if (!stage.has('finish') || env.suspends?.() === true) return;
      const session = await begin();
      found.sort((a, b) => a.chunk.index - b.chunk.index);
      const complete = found.every(({ chunk }, at) => chunk.index === at);
      tell((await stage.call(() => ({ call: 'finish', session, found, complete }), session, { bytes })).reports);
    },
    close: async () => {
      await Promise.all(looking);
    },
  };
}
