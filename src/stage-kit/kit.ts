import type { StageEntry } from '../config/stage-fields.ts';
import { EngineError } from '../errors.ts';
import type { ObserverDescription, StageDescription, TransformDescription } from '../vendor-stages/description.ts';
import { type LoadOptions, loadStage } from '../vendor-stages/load-stage.ts';
import type { LoadedStage, StageConfiguration } from '../vendor-stages/loaded-stage.ts';
import { isObserver, isTransform, optionsOf } from '../vendor-stages/vendor-stages.ts';
import { configurationOf } from '../vendor-stages/vendor-transform.ts';
import { Bench, NotGood, TransformBench } from './bench.ts';
import type { Check, CheckResult } from './check.ts';
import { observerChecks, routerChecks } from './other-checks.ts';
import { measure, type Throughput } from './throughput.ts';
import { transformChecks } from './transform-checks.ts';

export interface KitOptions extends LoadOptions {
  /** In whose `node_modules` packages are. */
  readonly folder: string;
  /** How long each measurement takes, seconds; 0 measures nothing. */
  readonly seconds: number;
  readonly signal: AbortSignal;
  /** Called before each check. */
  readonly onBegin: (check: string) => void;
  /** Called after each check. */
  readonly onEnd: (result: CheckResult) => void;
}

export interface KitResult {
  readonly description: StageDescription;
  readonly checks: readonly CheckResult[];
  /** Of transforms. */
  readonly throughput: readonly Throughput[];
}

/**
 * Hold a stage to docs/stages.md. A check that fails does not keep the others from being made.
 *
 * @throws EngineError as the loading of stages does, and `aborted`
 */
export async function testStage({ spec, options }: StageEntry, kit: KitOptions): Promise<KitResult> {
  const stage = await loadStage(spec, kit.folder, kit);
  const reader = await loadStage(spec, kit.folder, kit);
  try {
    const configuration = await configurationOf(stage, optionsOf(options), kit.signal);
    return await testLoaded(stage, reader, configuration, kit);
  } finally {
    await stage.close();
    await reader.close();
  }
}

async function testLoaded(
  stage: LoadedStage,
  reader: LoadedStage,
  configuration: StageConfiguration,
  kit: KitOptions,
): Promise<KitResult> {
  const transform =
    isTransform(stage) && isTransform(reader)
      ? new TransformBench(stage, reader, configuration, kit.signal)
      : undefined;
  const bench = transform ?? new Bench(kit.signal);
  const checks: CheckResult[] = [];
  try {
    for (const check of checksOf(stage, configuration, bench)) checks.push(await runCheck(check, kit));
    const measured = transform && kit.seconds > 0 && checks.every(({ ok }) => ok);
    const throughput = measured ? await measure(transform, kit.seconds) : [];
    return { description: stage.description, checks, throughput };
  } finally {
    bench.close();
  }
}

function checksOf(
  stage: LoadedStage<StageDescription | TransformDescription | ObserverDescription>,
  configuration: StageConfiguration,
  bench: Bench,
): Check[] {
  const options: Check = { name: 'options', run: () => stableOptions(stage, configuration) };
  if (bench instanceof TransformBench) return [options, ...transformChecks(bench)];
  if (isObserver(stage)) return [options, ...observerChecks(stage, configuration, bench)];
  return [options, ...routerChecks(stage, configuration, bench)];
}

/** Options are recorded as the schema gives them, and checked again when the image is read. */
async function stableOptions(stage: LoadedStage, { options }: StageConfiguration): Promise<string> {
  const again = await stage.checkOptions(options, 'usage');
  if (JSON.stringify(again) !== JSON.stringify(options)) {
    throw new NotGood(`optionsSchema makes ${JSON.stringify(again)} of its own result ${JSON.stringify(options)}`);
  }
  return JSON.stringify(options);
}

async function runCheck({ name, run }: Check, { onBegin, onEnd, signal }: KitOptions): Promise<CheckResult> {
  signal.throwIfAborted();
  onBegin(name);
  const began = performance.now();
  const result = (ok: boolean, detail: string): CheckResult => {
    const seconds = Number(((performance.now() - began) / 1000).toFixed(3));
    const ended = { check: name, ok, detail, seconds };
    onEnd(ended);
    return ended;
  };
  try {
    return result(true, await run());
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof NotGood) return result(false, error.message);
    if (error instanceof EngineError) return result(false, `${error.message} [${error.code}]`);
    throw error;
  }
}
