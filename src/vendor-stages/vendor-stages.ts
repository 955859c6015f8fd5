import type { Settings } from '../config/settings.ts';
import type { StageEntry } from '../config/stage-fields.ts';
import { stageEntries, stageListOf, stageLists } from '../config/stage-lists.ts';
import { EngineError } from '../errors.ts';
import type { ConfiguredObserver, ConfiguredStage, StageRegistry } from '../pipeline/stage-registry.ts';
import type { ImageInfo, Json, JsonObject, StageReport } from '../stage-api/index.ts';
import type { ObserverDescription, StageDescription, TransformDescription } from './description.ts';
import { type LoadOptions, loadStage } from './load-stage.ts';
import type { LoadedStage, Reported } from './loaded-stage.ts';
import { splitSecrets } from './stage-secrets.ts';
import { configuredObserver } from './vendor-observer.ts';
import { type ConfiguredRouter, configuredRouter } from './vendor-router.ts';
import { configurationOf, configuredTransform, registeredTransform } from './vendor-transform.ts';

/** What the images of one place pass through, beside our own stages. */
export interface StageChain {
  readonly transforms: readonly ConfiguredStage[];
  readonly observers: readonly ConfiguredObserver[];
  readonly routers: readonly ConfiguredRouter[];
}

/** What each place has. */
export type StagePlaces = Pick<VendorStages, 'chainOf' | 'reported'>;

const EMPTY: StageChain = { transforms: [], observers: [], routers: [] };

/** No stages anywhere. */
export const noVendorStages: StagePlaces = { chainOf: () => EMPTY, reported: () => [] };

/** The stages of vendors that the configuration names, loaded and checked. */
export class VendorStages {
  readonly #settings: Settings;
  readonly #loaded: ReadonlyMap<string, LoadedStage>;
  readonly #chains: ReadonlyMap<readonly StageEntry[], StageChain>;

  private constructor(
    settings: Settings,
    loaded: ReadonlyMap<string, LoadedStage>,
    chains: ReadonlyMap<readonly StageEntry[], StageChain>,
  ) {
    this.#settings = settings;
    this.#loaded = loaded;
    this.#chains = chains;
  }

  /**
   * Load every stage that is named, and check the options of every list. Transforms are added to `registry`, so that images that they wrote
   * can be read.
   *
   * @throws EngineError VOST_STAGE_LOAD, VOST_STAGE_METADATA, VOST_STAGE_API, VOST_STAGE_OPTIONS, VOST_STAGE_SECRET, VOST_STAGE_TWICE
   */
  static async load(settings: Settings, registry: StageRegistry, options: LoadOptions): Promise<VendorStages> {
    const loaded = new Map<string, LoadedStage>();
    const chains = new Map<readonly StageEntry[], StageChain>();
    const entries = stageEntries(settings);
    try {
      for (const { spec } of entries)
        if (!loaded.has(spec)) loaded.set(spec, await loadStage(spec, settings.general.stage_dir, options));
      checkNames(loaded);
      for (const [spec, stage] of loaded) {
        if (!isTransform(stage)) continue;
        const { name, secrets } = stage.description;
        // What the section says, else what the first list does: a manifest never says where secrets are.
        const given = Object.assign(
          {},
          ...entries
            .filter((one) => one.spec === spec)
            .map((one) => one.options)
            .reverse(),
        );
        registry.add(registeredTransform(stage, splitSecrets(name, secrets, given).secrets));
      }
      for (const list of stageLists(settings)) chains.set(list, await chainOf(list, loaded, settings.stages));
    } catch (error) {
      await Promise.all([...loaded.values()].map((stage) => stage.close()));
      throw error;
    }
    return new VendorStages(settings, loaded, chains);
  }

  /** Those of a policy's images in an LSU of `[server NAME]`; of `[general]` alone where all three are empty. */
  chainOf(place: { readonly server: string; readonly lsu: string; readonly policy: string }): StageChain {
    return this.#chains.get(stageListOf(this.#settings, place)) ?? EMPTY;
  }

  /** One of them told something in another thread. */
  heard(stage: string, image: ImageInfo, report: StageReport): void {
    [...this.#loaded.values()].find(({ name }) => name === stage)?.report(image, report);
  }

  /** What they have told people. */
  reported(): readonly Reported[] {
    return [...this.#loaded.values()].map((stage) => stage.reported);
  }

  /** End their threads. */
  async close(): Promise<void> {
    await Promise.all([...this.#loaded.values()].map((stage) => stage.close()));
  }
}

/** Two paths may lead to one stage; then it is not clear whose options count. */
function checkNames(loaded: ReadonlyMap<string, LoadedStage>): void {
  const names = new Map<string, string>();
  for (const [spec, { name }] of loaded) {
    const other = names.get(name);
    if (other !== undefined) {
      throw new EngineError('VOST_STAGE_TWICE', 'usage', `${other} and ${spec} are both the stage ${name}`, {
        advice: 'name it in one way everywhere',
      });
    }
    names.set(name, spec);
  }
}

async function chainOf(
  entries: readonly StageEntry[],
  loaded: ReadonlyMap<string, LoadedStage>,
  sections: Settings['stages'],
): Promise<StageChain> {
  const transforms: ConfiguredStage[] = [];
  const observers: ConfiguredObserver[] = [];
  const routers: ConfiguredRouter[] = [];
  for (const { spec, options } of entries) {
    const stage = loaded.get(spec) as LoadedStage;
    const configuration = await configurationOf(stage, optionsOf({ ...sections.get(spec), ...options }));
    if (isTransform(stage)) transforms.push(configuredTransform(stage, configuration));
    else if (isObserver(stage)) observers.push(configuredObserver(stage, configuration));
    else routers.push(configuredRouter(stage, configuration));
  }
  return { transforms, observers, routers };
}

/** Options as the configuration has them, as a stage's schema gets them. */
export function optionsOf(given: Readonly<Record<string, string>>): JsonObject {
  return Object.fromEntries(Object.entries(given).map(([key, value]) => [key, scalarOf(value)]));
}

/** Numbers and truth values as such; everything else is text. */
function scalarOf(text: string): Json {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?$/.test(text) ? Number(text) : text;
}

export function isTransform(stage: LoadedStage<StageDescription>): stage is LoadedStage<TransformDescription> {
  return stage.description.kind === 'transform';
}

export function isObserver(stage: LoadedStage<StageDescription>): stage is LoadedStage<ObserverDescription> {
  return stage.description.kind === 'observer';
}
