import { badStage, checkDescription, type StageDescription } from './description.ts';
import { LoadedStage, type OnReport } from './loaded-stage.ts';
import { faultOf, lossOf } from './stage-failure.ts';
import { findStage, type StagePackage } from './stage-package.ts';
import { localRunner, memoryOf, type StageRunner, workerRunner } from './stage-runner.ts';
import { concurrencyOf } from './vendor-transform.ts';

export interface LoadOptions {
  /** Stages that ask for it may run on this thread, which carries no other images. */
  readonly mainThread: boolean;
  readonly onReport: OnReport;
  /** Takes what stages write to standard output and error. */
  readonly onOutput: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Long enough for a cold disk. */
const LOAD_MS = 30_000;
const LOAD_MEMORY_MB = 256;

/**
 * Find a stage, ask it what it is and check that.
 *
 * @param folder in whose `node_modules` packages are.
 * @throws EngineError VOST_STAGE_LOAD, VOST_STAGE_METADATA (`usage`), VOST_STAGE_API (`unsupported`)
 */
export async function loadStage(spec: string, folder: string, options: LoadOptions): Promise<LoadedStage> {
  const found = await findStage(spec, folder);
  const description = await describe(found, options);
  const { name, version, placement, memoryMb } = description;
  const { declared } = found;
  if (declared !== undefined && (declared.name !== name || declared.version !== version)) {
    const inside = `${declared.name} ${declared.version}`;
    throw badStage(spec, `calls itself ${name} ${version}, but its package.json says ${inside}`);
  }
  const local = placement === 'native' || (placement === 'main' && options.mainThread);
  const { onOutput } = options;
  const runner: StageRunner = local
    ? localRunner(found.url)
    : workerRunner(found.url, { threads: concurrencyOf(description), memoryMb, onOutput });
  return new LoadedStage(description, runner, options.onReport);
}

/** Never on this thread: nothing is known of it yet. */
async function describe({ spec, url }: StagePackage, { onOutput, signal }: LoadOptions): Promise<StageDescription> {
  const runner = workerRunner(url, { threads: 1, memoryMb: LOAD_MEMORY_MB, onOutput });
  const blame = { name: spec, call: 'describe' } as const;
  try {
    const answer = await runner.run({
      create: () => ({ call: 'describe' }),
      timeoutMs: LOAD_MS,
      memoryBytes: memoryOf(LOAD_MEMORY_MB, 0),
      signal,
    });
    if ('error' in answer) throw faultOf(blame, answer.error);
    return checkDescription(answer.value, spec);
  } catch (error) {
    throw lossOf(blame, error);
  } finally {
    await runner.close();
  }
}
