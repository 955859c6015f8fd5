import { type Chunk, sizeOf } from '../pipeline/chunk.ts';
import type { StageEnv, StageInstance } from '../pipeline/stage.ts';
import type { ConfiguredObserver } from '../pipeline/stage-registry.ts';
import type { Json, Observation, StageReport } from '../stage-api/index.ts';
import type { ObserverDescription } from './description.ts';
import type { LoadedStage, StageConfiguration } from './loaded-stage.ts';
import { sampleOf } from './payload.ts';
import type { StageSession } from './protocol.ts';
import { stageFailure } from './stage-failure.ts';
import { concurrencyOf } from './vendor-transform.ts';

/** What the observations of one image may take, as JSON. */
const MAX_FOUND_BYTES = 64 * 2 ** 20;

/** An observer for new images. Its options must have been checked. */
export function configuredObserver(
  stage: LoadedStage<ObserverDescription>,
  configuration: StageConfiguration,
): ConfiguredObserver {
  return { name: stage.name, observe: (env) => observing(stage, configuration, env) };
}

function observing(
  stage: LoadedStage<ObserverDescription>,
  configuration: StageConfiguration,
  env: StageEnv,
): StageInstance {
  const { version, sample } = stage.description;
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

  const observe = async (chunk: Chunk, signal: AbortSignal): Promise<Chunk> => {
    const session = await begin();
    const size = sizeOf(chunk.pieces);
    const taken = sample === undefined ? size : Math.min(size, sample.pieces * sample.bytes);
    const ticket = env.scope.addTicket(await env.budget.takeForOutput(taken, signal));
    try {
      const info = { index: chunk.index, offset: chunk.offset, length: chunk.length, maxBytes: 0 };
      const leaves = chunk.leaves ?? new Uint8Array(0);
      const create = () =>
        ({ call: 'observe', session, chunk: info, data: sampleOf(chunk.pieces, sample, env.buffers), leaves }) as const;
      const { value, spare, reports } = await stage.call(create, session, { bytes: taken, signal, chunk: info });
      if (spare) env.buffers.give(spare);
      tell(reports);
      if (stage.has('finish')) keep({ chunk: info, result: value ?? null });
    } finally {
      ticket.release();
    }
    return chunk;
  };

  return {
    concurrency: concurrencyOf(stage.description),
    apply: observe,
    flush: async () => {
      if (!stage.has('finish') || env.suspends?.() === true) return;
      const session = await begin();
      found.sort((a, b) => a.chunk.index - b.chunk.index);
      const complete = found.every(({ chunk }, at) => chunk.index === at);
      tell((await stage.call(() => ({ call: 'finish', session, found, complete }), session, { bytes })).reports);
    },
  };
}
