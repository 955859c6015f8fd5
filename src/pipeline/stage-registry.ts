import { EngineError } from '../errors.ts';
import type { ImageInfo, ImageTotals } from '../stage-api/index.ts';
import type { Stage, StageEnv, StageInstance, StageRecord } from './stage.ts';

/** A stage with checked options, ready to be set to work. */
export interface ConfiguredStage {
  readonly record: StageRecord;
  readonly transforms: boolean;
  bound(length: number): number;
  workingBytes(length: number): number;
  forward(env: StageEnv): StageInstance;
  inverse(env: StageEnv): StageInstance;
  /** Called once for a new image, before its record is written: what has to be recorded of this image alone is in the result's. */
  prepare?(image: ImageInfo, signal: AbortSignal | undefined): Promise<ConfiguredStage>;
  /** Called when all chunks are stored: the record that the manifest gets instead of the one that the image was begun with. */
  seal?(image: ImageInfo, totals: ImageTotals, signal: AbortSignal | undefined): Promise<StageRecord>;
  /** Whether a complete image of so many bytes is what was sealed. `inverse` finds that out by itself with the first chunk. */
  check?(image: ImageInfo, size: number, signal: AbortSignal | undefined): Promise<void>;
}

/** Looks at the chunks of an image while it is written; nothing of it is recorded. */
export interface ConfiguredObserver {
  readonly name: string;
  observe(env: StageEnv): StageInstance;
}

/**
 * Check the options of a stage and bind them to it.
 *
 * @param failure class of the error when they are wrong: `usage` for what somebody asked for, `unsupported` for what a manifest says.
 */
export function configureStage<Options>(
  stage: Stage<Options>,
  options: unknown,
  failure: 'usage' | 'unsupported' = 'usage',
): ConfiguredStage {
  const parsed = stage.options.safeParse(options ?? {});
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'options'}: ${issue.message}`);
    throw new EngineError('VOST_STAGE_OPTIONS', failure, `stage ${stage.name}: ${problems.join('; ')}`);
  }
  const checked = parsed.data;
  return {
    record: { name: stage.name, version: stage.version, options: checked as Record<string, unknown> },
    transforms: stage.transforms,
    bound: (length) => stage.bound(length, checked),
    workingBytes: (length) => stage.workingBytes(length, checked),
    forward: (env) => stage.forward(checked, env),
    inverse: (env) => stage.inverse(checked, env),
  };
}

/** The most bytes that stages make of a chunk of so many, one after the other. */
export function boundOf(stages: readonly ConfiguredStage[], length: number): number {
  return stages.reduce((size, stage) => stage.bound(size), length);
}

/** A stage as the registry keeps it, whoever made it. */
export interface RegisteredStage {
  readonly name: string;
  readonly version: string;
  /** Whether it reads what `version` of it wrote. */
  reads(version: string): boolean;
  /** Bind options to it; see {@link configureStage}. Absent where that takes more than the registry has. */
  configure?(options: unknown): ConfiguredStage;
  /** Bind what a manifest says of it, which it {@link reads}. */
  resolve(record: StageRecord): ConfiguredStage;
}

/** The stages that this engine knows, by name. */
export class StageRegistry {
  readonly #stages = new Map<string, RegisteredStage>();

  /** Add a stage; a second one of the same name is a `usage` error. */
  register<Options>(stage: Stage<Options>): void {
    this.add({
      name: stage.name,
      version: stage.version,
      reads: (version) => reads(stage.version, version),
      configure: (options) => configureStage(stage, options),
      resolve: (record) => ({ ...configureStage(stage, record.options, 'unsupported'), record }),
    });
  }

  /** As {@link register}, for stages that are not made of ours. */
  add(stage: RegisteredStage): void {
    if (this.#stages.has(stage.name)) {
      throw new EngineError('VOST_STAGE_TWICE', 'usage', `two stages are named ${stage.name}`);
    }
    this.#stages.set(stage.name, stage);
  }

  /** Of all of them. */
  get names(): readonly string[] {
    return [...this.#stages.keys()];
  }

  /** A stage for a new image. */
  configure(name: string, options: unknown): ConfiguredStage {
    const stage = this.#stages.get(name);
    if (stage?.configure === undefined) {
      throw new EngineError('VOST_STAGE_UNKNOWN', 'usage', `there is no stage named ${name}`, {
        advice: `known stages: ${this.names.join(', ')}`,
      });
    }
    return stage.configure(options);
  }

  /** The stage that a manifest names. Refuses what it does not know, newer minor and other major versions, and unknown options (class `unsupported`). */
  resolve(record: StageRecord): ConfiguredStage {
    const stage = this.#stages.get(record.name);
    if (stage?.reads(record.version)) return stage.resolve(record);
    const { name, version } = record;
    const have = stage === undefined ? 'not installed' : `version ${stage.version} installed`;
    const vendors = /vast-ost-stage-/.test(name)
      ? `; install the package ${name} and name it under read_stages, or with --stage (docs/stages.md)`
      : '';
    throw new EngineError(
      'VOST_STAGE_MISSING',
      'unsupported',
      `the image was written with stage ${name} version ${version}, which is ${have}`,
      {
        advice: `it takes version ${version} or a later one of the same major version${vendors}`,
        details: { stage: name, version },
      },
    );
  }
}

/** Whether a stage of version `ours` reads what version `theirs` wrote: patch versions change no format. */
export function reads(ours: string, theirs: string): boolean {
  const [ourMajor = 0, ourMinor = 0] = ours.split('.').map(Number);
  const [theirMajor = 0, theirMinor = 0] = theirs.split('.').map(Number);
  return ourMajor === theirMajor && theirMinor <= ourMinor;
}
