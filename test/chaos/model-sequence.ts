import fc from 'fast-check';
import { EngineError } from '../../src/errors.ts';
import { collectGarbage } from '../../src/image/collect-garbage.ts';
import { deleteImage } from '../../src/image/delete-image.ts';
import { imageIdOf } from '../../src/image/identity.ts';
import { createWriteHandle, reopenWriteHandle } from '../../src/image/open-write-handle.ts';
import { openReadHandle } from '../../src/image/read-handle.ts';
import type { Resources } from '../../src/pipeline/resources.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { context, feed, layout, Slots, TUNING } from '../image/handle-support.ts';
import { identity, keysOf, MIB, memoryLsu, readImage } from '../image/support.ts';
import { ABSENT, COMPLETE, compare, expectFailure, isPlanned, ModelImage, pending, type State } from './lsu-model.ts';
import { type Job, ModelHost } from './model-host.ts';

const host = fc.nat(1);
const image = fc.nat(2);
const blocks = fc.integer({ min: 1, max: 5000 });

/** One call of a host, or something that happens to one. */
export const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ op: fc.constant('create' as const), host, image, blocks, complete: fc.boolean() }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constant('reopen' as const), host, image, blocks, complete: fc.boolean() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ op: fc.constant('write' as const), host, chunks: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('flush' as const), host }) },
  { weight: 5, arbitrary: fc.record({ op: fc.constant('close' as const), host }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('abandon' as const), host }) },
  { weight: 5, arbitrary: fc.record({ op: fc.constant('read' as const), host, image, at: blocks, blocks }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('delete' as const), host, image }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('restart' as const), host, dies: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('lose host' as const), host }) },
);
export type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

export const sequence = fc.record({
  seed: fc.nat(1e9),
  steps: fc.array(step, { minLength: 3, maxLength: 40, size: 'max' }),
});
export type Sequence = { readonly seed: number; readonly steps: readonly Step[] };

/** What happened in all sequences together. */
export class Tally {
  steps = 0;
  kills = 0;
  /** Images that a faulty host was told are complete, or kept. */
  closed = 0;
  /** Ranges that were read and were right. */
  reads = 0;
  /** Calls that failed, by a fault or because they had to. */
  failures = 0;
  readonly faults: Record<string, number> = {};
}

/**
 * Run a sequence of calls by two hosts; after each the LSU must be what the model says.
 *
 * @param inner an empty LSU; default: in memory.
 */
export async function runSequence(
  resources: Resources,
  { seed, steps }: Sequence,
  tally: Tally,
  inner?: ObjectStore,
): Promise<void> {
  const lsu = inner ?? (await memoryLsu({ minPartBytes: 1 }));
  const run = new Run(lsu, resources, seed, tally);
  for (const one of steps) {
    await run.step(one);
    await compare(lsu, run.images, resources);
  }
  await run.finish();
  if (resources.budget.used !== 0) throw new Error(`${resources.budget.used} bytes of memory are held`);
  tally.steps += steps.length;
  for (const { kills, hits } of run.hosts) {
    tally.kills += kills;
    for (const [name, count] of Object.entries(hits)) tally.faults[name] = (tally.faults[name] ?? 0) + count;
  }
}

class Run {
  readonly images = ['a', 'b', 'c'].map((name) => new ModelImage(name));
  readonly hosts: readonly ModelHost[];
  readonly #inner: ObjectStore;
  readonly #resources: Resources;
  readonly #tally: Tally;
  #creators = 0;

  constructor(inner: ObjectStore, resources: Resources, seed: number, tally: Tally) {
    this.#tally = tally;
    this.#inner = inner;
    this.#resources = resources;
    this.hosts = [1, 2].map((nth) => new ModelHost(inner, resources, seed * 2 + nth));
  }

  async step(one: Step): Promise<void> {
    const host = this.hosts[one.host] as ModelHost;
    const { job } = host;
    switch (one.op) {
      case 'create':
      case 'reopen':
        return job
          ? undefined
          : this.#open(host, one.op, this.images[one.image] as ModelImage, one.blocks, one.complete);
      case 'read':
        return this.#read(host, this.#readable(one.image, one.at), one.at * 512, one.blocks * 512);
      case 'delete':
        return this.#delete(host, this.images[one.image] as ModelImage);
      case 'restart':
        return host.restart(one.dies);
      case 'write':
        return job && this.#write(host, job, one.chunks);
      case 'flush':
        return job && this.#flush(host, job);
      case 'close':
        return job && this.#close(host, job);
      case 'abandon':
        return job && this.#abandon(host, job);
      case 'lose host':
        return job && this.#lose(host, job);
    }
  }

  async #open(host: ModelHost, kind: Job['kind'], image: ModelImage, blocks: number, complete: boolean): Promise<void> {
    const { state } = image;
    const kept = state.state === 'pending' ? state.kept : 0;
    const fits = kind === 'create' ? state.state === 'absent' : state.state === 'pending' && !image.owned;
    if (kind === 'create' && fits) image.renew(blocks);
    // An unfinished image grows; a complete one has all of its bytes.
    const end = complete ? image.data.byteLength : Math.max(kept, Math.min(blocks * 512, image.data.byteLength));
    this.#creators += 1;
    const creator = `session/${this.#creators}`;
    const job = host.newJob({ image, kind, creator, end, complete, takeOver: !image.owned });
    host.job = job;
    try {
      await host.call(() => host.handle(job));
      if (!fits) throw new Error(`${kind} of ${image.name}, which is ${JSON.stringify(state)}, was allowed`);
      image.owned = true;
      image.may = [pending(kept)];
    } catch (error) {
      host.job = undefined;
      if (!(error instanceof EngineError)) throw error;
      if (!fits) this.#excuse(nameOf(job), error, refusalOf(kind, image));
      else {
        this.#excuse(nameOf(job), error, image.torn ? ['integrity', 'not-found'] : []);
        // The record may be there although nobody heard of it.
        if (kind === 'create') image.may = [ABSENT, pending(0)];
      }
    }
  }

  /** Only a planned fault, itself, excuses a failure that is not expected. */
  #excuse(where: string, error: unknown, expected: readonly string[]): void {
    if (!isPlanned(error)) expectFailure(error, expected, where);
    this.#tally.failures += 1;
  }

  async #write(host: ModelHost, job: Job, chunks: number): Promise<void> {
    await this.#working(host, job, async () => {
      const handle = await host.handle(job);
      if (handle) await host.feed(job, handle, chunks);
    });
  }

  async #flush(host: ModelHost, job: Job): Promise<void> {
    await this.#working(host, job, async () => {
      await (await host.handle(job))?.flush();
    });
  }

  /** A call on an open image. When it fails the plugin gives the image up as it is. */
  async #working(host: ModelHost, job: Job, work: () => Promise<void>): Promise<void> {
    try {
      await host.call(work);
    } catch (error) {
      this.#excuse(nameOf(job), error, []);
      await this.#lose(host, job);
    }
  }

  async #close(host: ModelHost, job: Job): Promise<void> {
    const { image, end, complete } = job;
    const before = image.state;
    try {
      await host.call(async () => {
        const handle = await host.handle(job);
        // Committed by an engine that died before it could say so.
        if (handle === undefined) return;
        await host.feed(job, handle, Number.POSITIVE_INFINITY);
        await handle.close(complete ? 'complete' : 'incomplete', end);
      });
      image.may = [complete ? COMPLETE : pending(end)];
      this.#tally.closed += 1;
      if (job.slots.full.size > 0) throw new Error('a closed image holds slots');
    } catch (error) {
      this.#excuse(nameOf(job), error, []);
      image.may = [before, complete ? COMPLETE : pending(end)];
      await job.handle?.detach();
    }
    host.job = undefined;
    image.owned = false;
  }

  async #abandon(host: ModelHost, job: Job): Promise<void> {
    const { image } = job;
    const before = image.state;
    try {
      await host.call(async () => (await host.handle(job))?.close('abandon', 0));
    } catch (error) {
      this.#excuse(nameOf(job), error, []);
      await job.handle?.detach();
    }
    // What kept nothing need not stay.
    image.may = before.state === 'pending' && before.kept === 0 ? [before, ABSENT] : [before];
    host.job = undefined;
    image.owned = false;
  }

  /** The plugin is gone with all that it had in memory; the image stays as it is. */
  async #lose(host: ModelHost, job: Job): Promise<void> {
    await host.restart(0);
    host.job = undefined;
    job.image.owned = false;
  }

  /** Mostly an image that can be read, if there is one. */
  #readable(nth: number, chance: number): ModelImage {
    const complete = this.images.filter(({ state }) => state.state === 'complete' && chance % 4 > 0);
    return (complete[nth % complete.length] ?? this.images[nth]) as ModelImage;
  }

  async #read(host: ModelHost, image: ModelImage, at: number, length: number): Promise<void> {
    const before = host.flips;
    const { data, state } = image;
    try {
      const bytes = await host.call(async () => {
        const handle = await openReadHandle(host.context('reader'), identity(image.name));
        try {
          const into = new Uint8Array(6 * MIB);
          const range = await handle.read(at, length, into, false);
          return { ...range, bytes: into.subarray(range.slotOffset, range.slotOffset + range.length) };
        } finally {
          await handle.close();
        }
      });
      if (state.state !== 'complete') throw new Error(`${image.name} is ${state.state} and was read`);
      const expected = data.subarray(bytes.start, bytes.start + bytes.length);
      const covered = bytes.start <= at && bytes.start + bytes.length >= Math.min(at + length, data.byteLength);
      if (!expected.equals(bytes.bytes) || !covered) throw new Error(`${image.name} was read wrong`);
      this.#tally.reads += 1;
    } catch (error) {
      const expected = [
        ...(state.state === 'complete' ? [] : ['not-found']),
        ...(host.flips > before ? ['integrity'] : []),
      ];
      this.#excuse(`reading ${image.name}`, error, expected);
    }
  }

  async #delete(host: ModelHost, image: ModelImage): Promise<void> {
    // Engines do not delete what they have open.
    if (image.owned) return;
    const { state } = image;
    try {
      await host.call(() => deleteImage(host.store, imageIdOf(identity(image.name))));
      image.may = [ABSENT];
    } catch (error) {
      this.#excuse(`deleting ${image.name}`, error, []);
      image.may = [state, ABSENT];
      image.torn = true;
    }
  }

  /** All hosts are lost. Without faults every image must come to its end, and nothing must stay that nobody needs. */
  async finish(): Promise<void> {
    for (const host of this.hosts) if (host.job) await this.#lose(host, host.job);
    await compare(this.#inner, this.images, this.#resources);
    for (const image of this.images) await this.#complete(image, image.state);
    await compare(this.#inner, this.images, this.#resources);
    await this.#collect();
    for (const image of this.images) {
      const bytes = await readImage(this.#inner, this.#resources, imageIdOf(identity(image.name)));
      if (!bytes.equals(image.data)) throw new Error(`${image.name} has other bytes in the end`);
      await deleteImage(this.#inner, imageIdOf(identity(image.name)));
    }
    const left = await keysOf(this.#inner);
    if (left.length > 0) throw new Error(`left over in the end: ${left}`);
  }

  async #complete(image: ModelImage, { state }: State): Promise<void> {
    const ours = context(this.#inner, this.#resources, { creator: 'session/last' });
    if (state === 'complete') return;
    if (state === 'pending' && image.torn) await deleteImage(this.#inner, imageIdOf(identity(image.name)));
    const gone = state === 'absent' || image.torn;
    if (gone) image.renew(700);
    const handle = gone
      ? await createWriteHandle(ours, layout(this.#resources, image.name))
      : await reopenWriteHandle(ours, identity(image.name), { ...TUNING, takeOver: () => true });
    await feed(handle, new Slots(3), image.data);
    await handle.close('complete', image.data.byteLength);
    image.may = [COMPLETE];
  }

  async #collect(): Promise<void> {
    const now = Date.now() + 1000;
    for await (const { kind, key } of collectGarbage(this.#inner, { olderThanMs: 0, dryRun: false, now }))
      if (kind === 'pending-image') throw new Error(`${key} is unfinished in the end`);
    for await (const { key } of this.#inner.listUploads('')) throw new Error(`gc left the upload ${key}`);
  }
}

function nameOf({ kind, image }: Job): string {
  return `${kind} of ${image.name}`;
}

function refusalOf(kind: Job['kind'], image: ModelImage): string[] {
  if (kind === 'create') return ['exists'];
  if (image.state.state === 'absent') return ['not-found'];
  if (image.state.state === 'complete') return ['access'];
  return ['busy'];
}
