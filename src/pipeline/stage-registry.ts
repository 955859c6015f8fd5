import { EngineError } from '../errors.ts';
import type { Stage, StageEnv, StageInstance, StageRecord } from './stage.ts';

/** A stage with checked options, ready to be set to work. */
export interface ConfiguredStage {
  readonly record: StageRecord;
  readonly transforms: boolean;
  bound(length: number): number;
  workingBytes(length: number): number;
  forward(env: StageEnv): StageInstance;
  inverse(env: StageEnv): StageInstance;
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

/** The stages that this engine knows, by name. */
export class StageRegistry {
  readonly #stages = new Map<string, Stage<unknown>>();

  /** Add a stage; a second one of the same name is a `usage` error. */
  register<Options>(stage: Stage<Options>): void {
    if (this.#stages.has(stage.name)) {
      throw new EngineError('VOST_STAGE_TWICE', 'usage', `two stages are named ${stage.name}`);
    }
    this.#stages.set(stage.name, stage as Stage<unknown>);
  }

  /** A stage for a new image. */
  configure(name: string, options: unknown): ConfiguredStage {
    const stage = this.#stages.get(name);
    if (stage === undefined) {
      throw new EngineError('VOST_STAGE_UNKNOWN', 'usage', `there is no stage named ${name}`, {
        advice: `known stages: ${[...this.#stages.keys()].join(', ')}`,
      });
    }
    return configureStage(stage, options);
  }

  /** The stage that a manifest names. Refuses what it does not know, newer minor and other major versions, and unknown options (class `unsupported`). */
  resolve(record: StageRecord): ConfiguredStage {
    const stage = this.#stages.get(record.name);
    if (stage === undefined || !reads(stage.version, record.version)) {
      const have = stage === undefined ? 'not installed' : `version ${stage.version} installed`;
      throw new EngineError(
        'VOST_STAGE_MISSING',
        'unsupported',
        `the image was written with stage ${record.name} version ${record.version}, which is ${have}`,
        { advice: `install ${record.name} version ${record.version} or a later one of the same major version` },
      );
    }
    return { ...configureStage(stage, record.options, 'unsupported'), record };
  }
}

/** Whether a stage of version `ours` reads what version `theirs` wrote: patch versions change no format. */
function reads(ours: string, theirs: string): boolean {
  const [ourMajor = 0, ourMinor = 0] = ours.split('.').map(Number);
  const [theirMajor = 0, theirMinor = 0] = theirs.split('.').map(Number);
  return ourMajor === theirMajor && theirMinor <= ourMinor;
}
