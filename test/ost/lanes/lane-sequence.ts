import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { EngineError } from '../../../src/errors.ts';
import type { WriteHandle } from '../../../src/image/image-backend.ts';
import { FileStorage } from '../../../src/vast/nfs/storage.ts';
import type { ObjectStore } from '../../../src/vast/store.ts';
import { ABSENT, COMPLETE, compare, expectFailure, isPlanned, ModelImage, pending } from '../../chaos/lsu-model.ts';
import { identity, MIB } from '../../image/support.ts';
import { type HandlePlace, SLOTS, TUNING } from '../support/handle-place.ts';
import type { Trouble } from './troubled-lane.ts';

const JOBS = 2;
const OWN_SLOTS = SLOTS / JOBS;

const job = fc.nat(JOBS - 1);
const image = fc.nat(2);
const blocks = fc.integer({ min: 1, max: 5000 });
const complete = fc.boolean();

/** A call on one of two handles, or something that happens to a lane. */
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant('create' as const), job, image, blocks, complete }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('reopen' as const), job, image, blocks, complete }) },
  {
    weight: 5,
    arbitrary: fc.record({ op: fc.constant('write' as const), job, chunks: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('flush' as const), job }) },
  { weight: 5, arbitrary: fc.record({ op: fc.constant('close' as const), job }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('abandon' as const), job }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('attach' as const), job }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('read' as const), image, at: blocks }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('end lane' as const), lane: fc.nat(1) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

export const laneSequence = fc.array(step, { minLength: 3, maxLength: 30, size: 'max' });

/** What happened in all sequences together. */
export class LaneTally {
  steps = 0;
  /** Images that are complete or kept, and ranges that were read and were right. */
  closed = 0;
  reads = 0;
  /** Lanes that ended, and calls that failed, by a fault, by that, or because they had to. */
  ends = 0;
  failures = 0;
}

interface Job {
  readonly image: ModelImage;
  readonly creator: string;
  readonly region: number;
  /** Its first slot. */
  readonly slots: number;
  readonly end: number;
  readonly complete: boolean;
  readonly handed: Set<number>;
  handle: WriteHandle;
  failed: boolean;
}

/** Random calls on handles of lanes that end at any moment; after each, the LSU must be what a model says. */
export class LaneRun {
  readonly #place: HandlePlace;
  readonly #lsu: string;
  readonly #inner: ObjectStore;
  readonly #trouble: (what: Trouble) => void;
  readonly #tally: LaneTally;
  readonly #images = ['a', 'b', 'c'].map((name) => new ModelImage(name));
  readonly #jobs: (Job | undefined)[] = Array.from({ length: JOBS });
  #creators = 0;

  private constructor(parts: Pick<LaneRunParts, 'place' | 'lsu' | 'trouble' | 'tally'>, inner: ObjectStore) {
    this.#place = parts.place;
    this.#lsu = parts.lsu;
    this.#trouble = parts.trouble;
    this.#tally = parts.tally;
    this.#inner = inner;
  }

  /** In an LSU that nobody has used. */
  static async run({ folder, steps, ...parts }: LaneRunParts): Promise<void> {
    mkdirSync(join(folder, 'store', parts.lsu));
    const storage = new FileStorage(join(folder, 'store'));
    try {
      const run = new LaneRun(parts, await storage.open(parts.lsu));
      for (const one of steps) {
        await run.#step(one);
        await run.#look();
      }
      for (const [number, job] of run.#jobs.entries()) if (job !== undefined) await run.#lose(number, job);
      await run.#look();
      parts.tally.steps += steps.length;
    } finally {
      await storage.close();
    }
  }

  #look(): Promise<void> {
    return compare(this.#inner, this.#images, this.#place.resources);
  }

  async #step(one: Step): Promise<void> {
    if (one.op === 'end lane') {
      this.#tally.ends += 1;
      this.#trouble({ lane: one.lane, what: 'throws' });
      return;
    }
    if (one.op === 'read') return this.#read(this.#readable(one.image), one.at * 512);
    const job = this.#jobs[one.job];
    if (one.op === 'create' || one.op === 'reopen') {
      if (job === undefined) await this.#open(one.job, one, this.#images[one.image] as ModelImage);
      return;
    }
    if (job === undefined) return;
    if (one.op === 'write') await this.#working(one.job, job, () => this.#feed(job, one.chunks));
    else if (one.op === 'flush') await this.#working(one.job, job, () => job.handle.flush());
    else if (one.op === 'attach') await this.#working(one.job, job, () => this.#attach(job));
    else await this.#close(one.job, job, one.op === 'abandon');
  }

  async #open(
    number: number,
    { op, blocks, complete }: Extract<Step, { op: 'create' | 'reopen' }>,
    image: ModelImage,
  ): Promise<void> {
    const { state } = image;
    const kept = state.state === 'pending' ? state.kept : 0;
    const fits = op === 'create' ? state.state === 'absent' : state.state === 'pending' && !image.owned;
    if (op === 'create' && fits) image.renew(blocks);
    const end = complete ? image.data.byteLength : Math.max(kept, Math.min(blocks * 512, image.data.byteLength));
    this.#creators += 1;
    const creator = `session/${this.#creators}`;
    const { backend, arena } = this.#place;
    const mayTake = !image.owned;
    arena.journal(number).fill(0);
    try {
      const context = await this.#context(creator, number);
      const handle =
        op === 'create'
          ? await backend.create(context, this.#place.layout(image.name), TUNING)
          : await backend.reopen(context, identity(image.name), { ...TUNING, takeOver: () => mayTake });
      if (!fits) throw new Error(`${op} of ${image.name}, which is ${JSON.stringify(state)}, was allowed`);
      image.owned = true;
      image.may = [pending(kept)];
      const handed = new Set<number>();
      const slots = number * OWN_SLOTS;
      this.#jobs[number] = { image, creator, region: number, slots, end, complete, handed, handle, failed: false };
      this.#watch(this.#jobs[number]);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      this.#excuse(`${op} of ${image.name}`, error, fits ? [] : refusalOf(op, image));
      // The record may be there although nobody heard of it.
      if (fits && op === 'create') image.may = [ABSENT, pending(0)];
    }
  }

  #context(creator: string, region: number): ReturnType<HandlePlace['context']> {
    return this.#place.context(creator, region, undefined, this.#lsu);
  }

  #watch(job: Job | undefined): void {
    const handle = job?.handle;
    handle?.onFailure(() => {
      if (job?.handle === handle && job !== undefined) job.failed = true;
    });
  }

  /** Hand over chunks that were not yet, at most so many. Gives up quietly when the handle fails: its close will tell. */
  async #feed(job: Job, atMost: number): Promise<void> {
    let left = atMost;
    for (let chunk = job.handle.firstChunk; chunk * MIB < job.end && left > 0; chunk += 1) {
      if (job.handed.has(chunk)) continue;
      const slot = job.slots + (chunk % OWN_SLOTS);
      await this.#place.free(slot);
      if (job.failed) return;
      this.#put(job, chunk, slot);
      left -= 1;
    }
  }

  #put(job: Job, chunk: number, slot: number): void {
    job.handed.add(chunk);
    const last = (chunk + 1) * MIB >= job.end;
    const short = job.end % MIB > 0;
    this.#place.put(job.handle, chunk, slot, last && (job.complete || short), job.image.data.subarray(0, job.end));
  }

  /** The engine is another one: what was in slots is handed over again. */
  async #attach(job: Job): Promise<void> {
    const full = [...this.#place.full].filter((slot) => slot >= job.slots && slot < job.slots + OWN_SLOTS);
    const chunks = [...job.handed].sort((a, b) => a - b);
    const again = full.map((slot) => chunks.findLast((chunk) => job.slots + (chunk % OWN_SLOTS) === slot) ?? 0);
    await job.handle.detach();
    await this.#place.free(...full);
    const context = await this.#context(job.creator, job.region);
    const { handle } = await this.#place.backend.attach(context, identity(job.image.name), TUNING);
    if (handle === undefined) throw new Error(`${job.image.name} was committed`);
    job.handle = handle;
    job.failed = false;
    this.#watch(job);
    for (const chunk of again) this.#put(job, chunk, job.slots + (chunk % OWN_SLOTS));
  }

  /** A call on an open image. When it fails the host gives the image up as it is. */
  async #working(number: number, job: Job, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#excuse(job.image.name, error, []);
      await this.#lose(number, job);
    }
  }

  async #close(number: number, job: Job, abandons: boolean): Promise<void> {
    const { image, end, complete, handle } = job;
    const before = image.state;
    const after = complete ? COMPLETE : pending(end);
    try {
      if (!abandons) await this.#feed(job, Number.POSITIVE_INFINITY);
      await handle.close(abandons ? 'abandon' : complete ? 'complete' : 'incomplete', abandons ? 0 : end);
      image.may = abandons ? [before] : [after];
      this.#tally.closed += abandons ? 0 : 1;
    } catch (error) {
      this.#excuse(`closing ${image.name}`, error, []);
      image.may = abandons ? [before] : [before, after];
      await handle.detach();
    }
    // What kept nothing need not stay.
    if (abandons && before.state === 'pending' && before.kept === 0) image.may = [before, ABSENT];
    this.#jobs[number] = undefined;
    image.owned = false;
  }

  async #lose(number: number, job: Job): Promise<void> {
    await job.handle.detach();
    this.#jobs[number] = undefined;
    job.image.owned = false;
  }

  /** Mostly an image that can be read, if there is one. */
  #readable(nth: number): ModelImage {
    const complete = this.#images.filter(({ state }) => state.state === 'complete');
    return (complete[nth] ?? this.#images[nth]) as ModelImage;
  }

  async #read(image: ModelImage, at: number): Promise<void> {
    const { data, state } = image;
    // Of this thread alone: slots are for images that are written.
    const slot = this.#jobs.indexOf(undefined) * OWN_SLOTS;
    if (slot < 0) return;
    const into = this.#place.arena.slot(slot);
    try {
      const context = { ...(await this.#context('reader', 0)), journal: undefined, region: undefined };
      const reader = await this.#place.backend.open(context, identity(image.name));
      try {
        const { start, length, slotOffset } = await reader.read(at, MIB, into, false);
        if (state.state !== 'complete') throw new Error(`${image.name} is ${state.state} and was read`);
        const bytes = into.subarray(slotOffset, slotOffset + length);
        if (!data.subarray(start, start + length).equals(bytes)) throw new Error(`${image.name} was read wrong`);
        if (length === 0 && at < data.byteLength) throw new Error(`nothing of ${image.name} was read`);
        this.#tally.reads += 1;
      } finally {
        await reader.close();
      }
    } catch (error) {
      this.#excuse(`reading ${image.name}`, error, state.state === 'complete' ? [] : ['not-found']);
    }
  }

  /** Only planned faults, and an image that lost more lanes than it may, excuse a failure that is not expected. */
  #excuse(where: string, error: unknown, expected: readonly string[]): void {
    const lost = error instanceof EngineError && error.code === 'VOST_LANE_LOST';
    if (!lost && !isPlanned(error)) expectFailure(error, expected, where);
    this.#tally.failures += 1;
  }
}

export interface LaneRunParts {
  readonly place: HandlePlace;
  /** The place's. */
  readonly folder: string;
  readonly lsu: string;
  readonly steps: readonly Step[];
  readonly trouble: (what: Trouble) => void;
  readonly tally: LaneTally;
}

function refusalOf(op: 'create' | 'reopen', image: ModelImage): string[] {
  if (op === 'create') return ['exists'];
  if (image.state.state === 'absent') return ['not-found'];
  if (image.state.state === 'complete') return ['access'];
  return ['busy'];
}
