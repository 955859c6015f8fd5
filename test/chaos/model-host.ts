import { ChaosStore } from '../../src/chaos/chaos-store.ts';
import { type StorePlan, type StoreRule, storePlan } from '../../src/chaos/store-faults.ts';
import { VirtualClock } from '../../src/chaos/virtual-clock.ts';
import type { HandleContext, WriteHandle } from '../../src/image/image-backend.ts';
import { journalMemory, steppedJournal } from '../../src/image/journal-memory.ts';
import { attachWriteHandle, createWriteHandle, reopenWriteHandle } from '../../src/image/open-write-handle.ts';
import type { Resources } from '../../src/pipeline/resources.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { Dead, Killer } from '../image/crash-support.ts';
import { JOURNAL_BYTES, layout, Slots, TUNING } from '../image/handle-support.ts';
import { identity, MIB } from '../image/support.ts';
import type { ModelImage } from './lsu-model.ts';

/** What a storage does to the hosts of a sequence: mostly what passes, at times what does not. */
const RULES: readonly StoreRule[] = [
  { name: 'throttle', rate: 0.03, effect: { kind: 'throttle' } },
  { name: 'error', rate: 0.02, effect: { kind: 'error', failure: 'retryable' } },
  { name: 'truncate', rate: 0.03, effect: { kind: 'truncate' } },
  { name: 'lose-answer', rate: 0.05, effect: { kind: 'lose-answer' } },
  { name: 'delay', rate: 0.02, effect: { kind: 'delay', ms: 5000 } },
  { name: 'full', rate: 0.005, effect: { kind: 'error', failure: 'capacity' } },
  { name: 'forbidden', rate: 0.005, effect: { kind: 'error', failure: 'access' } },
  { name: 'flip', operations: ['read'], key: /fragment/, rate: 0.2, effect: { kind: 'corrupt' } },
];

/** A plugin's open image: it survives engines. */
export interface Job {
  readonly image: ModelImage;
  readonly kind: 'create' | 'reopen';
  readonly creator: string;
  /** Bytes that the image has at this writer's end, and whether it is complete then. */
  readonly end: number;
  readonly complete: boolean;
  readonly takeOver: boolean;
  opened: boolean;
  handle: WriteHandle | undefined;
  handed: Set<number>;
  region: Uint8Array;
  slots: Slots;
}

/** A media server: plugin and engine. */
export class ModelHost {
  job: Job | undefined;
  readonly #inner: ObjectStore;
  readonly #resources: Resources;
  readonly #plan: StorePlan;
  readonly #clock: VirtualClock;
  #killer: Killer;
  #survivors: { region: Uint8Array; slots: Slots } | undefined;
  kills = 0;

  constructor(inner: ObjectStore, resources: Resources, seed: number) {
    this.#inner = inner;
    this.#resources = resources;
    this.#plan = storePlan(seed, RULES);
    this.#clock = new VirtualClock(seed);
    this.#killer = this.#engine(0);
  }

  /** Bits that were flipped so far. */
  get flips(): number {
    return this.#plan.hits()['flip'] ?? 0;
  }

  get hits(): Record<string, number> {
    return this.#plan.hits();
  }

  get store(): ObjectStore {
    return this.#killer.store(new ChaosStore(this.#inner, this.#plan, { clock: this.#clock, policy: { retries: 3 } }));
  }

  context(creator: string, region?: Uint8Array): HandleContext {
    const journal = region && steppedJournal(journalMemory(region), this.#killer);
    return { store: this.store, resources: this.#resources, journal, creator };
  }

  /** Kill the engine now and start another, which dies at a step of its own; 0: never. */
  async restart(step: number): Promise<void> {
    // One that died while nobody called has left what there was then.
    if (!this.#killer.dead) this.#keep();
    await this.#bury();
    this.#killer = this.#engine(step);
  }

  /**
   * Run as a plugin calls: when the engine dies meanwhile it is asked again once there is another one. Throws what an engine that lives
   * answers.
   */
  async call<T>(run: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const result = await run();
        if (!this.#killer.dead) return result;
      } catch (error) {
        if (!this.#killer.dead) throw error;
      }
      await this.#bury();
    }
  }

  /** The job's handle, opened or attached if need be; undefined when the image turns out to have been committed. */
  async handle(job: Job): Promise<WriteHandle | undefined> {
    if (job.handle) return job.handle;
    const context = this.context(job.creator, job.region);
    const { name } = job.image;
    if (!job.opened) {
      job.handle =
        job.kind === 'create'
          ? await createWriteHandle(context, layout(this.#resources, name))
          : await reopenWriteHandle(context, identity(name), { ...TUNING, takeOver: () => job.takeOver });
      if (this.#killer.dead) throw new Dead();
      job.opened = true;
      return job.handle;
    }
    const { handle } = await attachWriteHandle(context, identity(name), 'write', TUNING);
    job.handle = handle;
    if (handle) job.slots.putAgain(handle);
    return handle;
  }

  /** Hand over chunks that were not yet, at most so many. Gives up quietly when the handle fails: its close will tell. */
  async feed(job: Job, handle: WriteHandle, atMost: number): Promise<void> {
    let failed = false;
    const failure = new Promise<void>((resolve) =>
      handle.onFailure(() => {
        failed = true;
        resolve();
      }),
    );
    const count = Math.ceil(job.end / MIB);
    let left = atMost;
    for (let chunk = handle.firstChunk; chunk < count && left > 0; chunk += 1) {
      if (job.handed.has(chunk)) continue;
      await Promise.race([job.slots.want(), failure]);
      if (this.#killer.dead) throw new Dead();
      if (failed) return;
      const bytes = job.image.data.subarray(chunk * MIB, Math.min(job.end, (chunk + 1) * MIB));
      job.handed.add(chunk);
      job.slots.put(handle, chunk, bytes, chunk === count - 1 && (job.complete || bytes.byteLength < MIB));
      left -= 1;
    }
  }

  newJob(about: Pick<Job, 'image' | 'kind' | 'creator' | 'end' | 'complete' | 'takeOver'>): Job {
    const region = new Uint8Array(JOURNAL_BYTES);
    const slots = new Slots(3);
    return {
      ...about,
      opened: false,
      handle: undefined,
      handed: new Set(),
      region,
      slots,
    };
  }

  #engine(step: number): Killer {
    return new Killer(step, () => this.#keep());
  }

  /** What outlives an engine, as it is at its death: afterwards its slots are emptied. */
  #keep(): void {
    const { job } = this;
    this.#survivors = job && { region: new Uint8Array(job.region), slots: job.slots.clone() };
  }

  async #bury(): Promise<void> {
    const { job } = this;
    await job?.handle?.detach();
    if (job) {
      job.handle = undefined;
      // A handle that was not answered is begun again from nothing.
      if (!job.opened) job.region = new Uint8Array(JOURNAL_BYTES);
      else if (this.#survivors) Object.assign(job, this.#survivors);
    }
    this.#survivors = undefined;
    this.#killer = this.#engine(0);
    this.kills += 1;
  }
}
