import { bridge } from '../bridge/bridge.ts';
import { EngineError } from '../errors.ts';
import type { Chunk } from '../pipeline/chunk.ts';
import { joined } from '../pipeline/joined.ts';
import { LeaseScope } from '../pipeline/lease.ts';
import { createResources, type Resources } from '../pipeline/resources.ts';
import type { StageEnv, StageInstance } from '../pipeline/stage.ts';
import { type ConfiguredStage, StageRegistry } from '../pipeline/stage-registry.ts';
import type { ImageInfo, JsonObject } from '../stage-api/index.ts';
import type { TransformDescription } from '../vendor-stages/description.ts';
import type { LoadedStage, StageConfiguration } from '../vendor-stages/loaded-stage.ts';
import { configuredTransform, registeredTransform } from '../vendor-stages/vendor-transform.ts';

/** Enough for the largest chunk of the kit at the highest concurrency, with all that is made of it. */
const MEMORY = 1024 * 2 ** 20;

export const KIT_IMAGE: ImageInfo = {
  lsu: 'kit',
  name: 'image',
  date: '1700000000',
  policy: 'policy',
  schedule: 'full',
  client: 'client.example.com',
};

/** What a check of the kit finds wrong with a stage. */
export class NotGood extends Error {}

/** A place for a stage to work as it does in the engine. */
export class Bench {
  readonly resources: Resources = createResources(bridge, MEMORY, new StageRegistry());
  readonly signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.signal = signal;
  }

  /** @param size of the image, for one that is complete. */
  env(scope: LeaseScope, size?: number): StageEnv {
    const { budget, slabs } = this.resources;
    const whole = size === undefined ? {} : { size };
    return { budget, scope, bridge, slabs, image: KIT_IMAGE, ...whole, before: (length) => length };
  }

  /** Let an instance work on one chunk; its memory is given back. */
  async apply(
    instance: StageInstance,
    bytes: Uint8Array,
    { index = 0, length = bytes.byteLength, signal = this.signal, leaves = new Uint8Array(0) } = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    const scope = new LeaseScope();
    const { bytes: data, lease } = await this.resources.slabs.acquire(bytes.byteLength, scope, signal);
    try {
      data.set(bytes);
      const chunk: Chunk = { index, offset: index * length, length, pieces: [data], lease, leaves };
      const result = await instance.apply(chunk, signal);
      const copy = joined(result.pieces);
      result.lease.release();
      return copy;
    } catch (error) {
      lease.release();
      throw error;
    }
  }

  /** Nothing may be held when a check has ended. */
  checkMemory(): void {
    const { used } = this.resources.budget;
    if (used !== 0) throw new NotGood(`${used} bytes of memory were not given back`);
  }

  close(): void {
    this.resources.slabs.close();
  }
}

/** A transform on the bench. */
export class TransformBench extends Bench {
  readonly stage: LoadedStage<TransformDescription>;
  readonly #reader: LoadedStage<TransformDescription>;
  readonly #configuration: StageConfiguration;
  readonly #scope = new LeaseScope();

  /** @param reader the same stage on threads of its own: what it knows of an image is what was stored. */
  constructor(
    stage: LoadedStage<TransformDescription>,
    reader: LoadedStage<TransformDescription>,
    configuration: StageConfiguration,
    signal: AbortSignal,
  ) {
    super(signal);
    this.stage = stage;
    this.#reader = reader;
    this.#configuration = configuration;
  }

  /** Threads that were lost so far. */
  get lostThreads(): number {
    return this.stage.lostThreads + this.#reader.lostThreads;
  }

  /** As for a new image. */
  async prepared(): Promise<ConfiguredStage> {
    const configured = configuredTransform(this.stage, this.#configuration);
    return (await configured.prepare?.(KIT_IMAGE, this.signal)) ?? configured;
  }

  encoder(stage: ConfiguredStage): StageInstance {
    return stage.forward(this.env(this.#scope));
  }

  /** By what the manifest would say, as JSON, and nothing else. */
  decoder({ record }: Pick<ConfiguredStage, 'record'>, size?: number): StageInstance {
    const kept = JSON.parse(JSON.stringify(record)) as { name: string; version: string; options: JsonObject };
    const registered = registeredTransform(this.#reader, this.#configuration.secrets);
    return registered.resolve(kept).inverse(this.env(this.#scope, size));
  }
}

/** Whether bytes are those that were wanted. */
export function checkSame(what: string, found: Uint8Array, wanted: Uint8Array): void {
  if (found.byteLength !== wanted.byteLength)
    throw new NotGood(`${what}: ${found.byteLength} bytes came back instead of ${wanted.byteLength}`);
  if (Buffer.compare(found, wanted) === 0) return;
  const at = found.findIndex((byte, index) => byte !== wanted[index]);
  throw new NotGood(`${what}: byte ${at} came back as ${found[at]} instead of ${wanted[at]}`);
}

/** The error that work ends with; undefined when it has none. */
export async function errorOf(work: Promise<unknown>): Promise<EngineError | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof EngineError) return error;
    throw error;
  }
}
