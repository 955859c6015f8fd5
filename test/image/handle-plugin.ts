import { createHash } from 'node:crypto';
import type { Test } from 'tap';
import { collectGarbage } from '../../src/image/collect-garbage.ts';
import type { HandleContext, ImageLayout, WriteHandle } from '../../src/image/image-backend.ts';
import type { LockPolicy } from '../../src/image/image-lock.ts';
import { journalMemory, steppedJournal } from '../../src/image/journal-memory.ts';
import type { Manifest } from '../../src/image/manifest.ts';
import { attachWriteHandle, createWriteHandle, reopenWriteHandle } from '../../src/image/open-write-handle.ts';
import type { Resources } from '../../src/pipeline/resources.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { Dead, Killer } from './crash-support.ts';
import { JOURNAL_BYTES, layout, Slots, TUNING } from './handle-support.ts';
import { identity, keysOf, MIB, memoryLsu, readImage, testResources } from './support.ts';

/** What a plugin does with one image. */
export interface Script {
  readonly data: Buffer;
  readonly minPartBytes: number;
  readonly slots: number;
  /** Sizes at which the image is closed incomplete and opened again. */
  readonly suspensions?: readonly number[];
  readonly options?: Partial<ImageLayout> & { compress?: boolean };
  /** Blobs written before the chunks. */
  readonly metas?: number;
  readonly swap?: boolean;
  readonly journalBytes?: number;
  /** Its LSU has locks, and the image gets one. */
  readonly lock?: LockPolicy;
}

/** The plugin: it survives every engine, knows what it has handed over, and asks again what was not answered. */
class Plugin {
  readonly #script: Script;
  readonly #inner: ObjectStore;
  slots: Slots;
  region: Uint8Array;
  /** Which of the image's writers is at work, and what it has done. */
  #session = 0;
  #opened = false;
  #handed = new Set<number>();
  #metas = 0;
  manifest: Manifest | undefined;
  finished = false;

  constructor(script: Script, inner: ObjectStore) {
    this.#script = script;
    this.#inner = inner;
    this.slots = new Slots(script.slots);
    this.region = new Uint8Array(script.journalBytes ?? JOURNAL_BYTES);
  }

  /** Drive one engine until everything is done, or it dies. */
  async drive(engine: Killer, resources: Resources): Promise<void> {
    const { suspensions = [], data } = this.#script;
    const context: HandleContext = {
      store: engine.store(this.#inner),
      resources,
      journal: steppedJournal(journalMemory(this.region), engine),
      creator: `session/${this.#session}`,
      lock: this.#script.lock,
    };
    let handle: WriteHandle | undefined;
    try {
      handle = this.#opened ? await this.#attach(context) : await this.#open(context);
      this.#opened = true;
      while (!this.finished) {
        const end = suspensions[this.#session] ?? data.byteLength;
        const complete = this.#session === suspensions.length;
        if (handle) await this.#write(engine, handle, end, complete);
        const manifest = await handle?.close(complete ? 'complete' : 'incomplete', end);
        // The dead do not answer.
        if (engine.dead) throw new Dead();
        if (complete) {
          this.manifest = manifest;
          this.finished = true;
          return;
        }
        this.#session += 1;
        this.#opened = false;
        this.#handed.clear();
        this.region.fill(0);
        handle = await this.#open({ ...context, creator: `session/${this.#session}` });
        this.#opened = true;
      }
    } catch (error) {
      if (!engine.dead) throw error;
      await handle?.detach();
    }
  }

  #open(context: HandleContext): Promise<WriteHandle> {
    const { resources } = context;
    return this.#session === 0
      ? createWriteHandle(context, layout(resources, 'crash', this.#script.options))
      : reopenWriteHandle(context, identity('crash'), TUNING);
  }

  async #attach(context: HandleContext): Promise<WriteHandle | undefined> {
    const { committed, handle } = await attachWriteHandle(context, identity('crash'), 'write', TUNING);
    if (committed) return undefined;
    if (handle) this.slots.putAgain(handle);
    return handle;
  }

  async #write(engine: Killer, handle: WriteHandle, end: number, complete: boolean): Promise<void> {
    const { data, swap, metas = 0 } = this.#script;
    for (; this.#metas < metas; this.#metas += 1)
      await handle.writeMeta(this.#metas % 2, Buffer.from(`blob ${this.#metas}`));
    const count = Math.ceil(end / MIB);
    const failed = new Promise<never>((_, reject) => handle.onFailure(reject));
    failed.catch(() => undefined);
    for (let nth = handle.firstChunk; nth < count; nth += 1) {
      const chunk = swap && (nth ^ 1) < count && (nth ^ 1) >= handle.firstChunk ? nth ^ 1 : nth;
      if (this.#handed.has(chunk)) continue;
      await Promise.race([this.slots.want(), failed]);
      // What survives was noted already.
      if (engine.dead) throw new Dead();
      this.#handed.add(chunk);
      const bytes = data.subarray(chunk * MIB, Math.min(end, (chunk + 1) * MIB));
      this.slots.put(handle, chunk, bytes, chunk === count - 1 && (complete || bytes.byteLength < MIB));
    }
  }
}

/**
 * Run the script with an engine that dies at the step, and others that do not. Resolves to where it died, '' when it did not.
 *
 * @param store an empty LSU; default: in memory.
 * @param again steps at which the engines after it die as well.
 */
export async function runKilled(
  t: Test,
  script: Script,
  at: number | string,
  store?: ObjectStore,
  again: readonly number[] = [],
): Promise<{ where: string; steps: number }> {
  const resources = testResources(t, 64 * MIB);
  const locks = script.lock !== undefined;
  const inner = store ?? (await memoryLsu({ minPartBytes: script.minPartBytes }, { locks }));
  const plugin = new Plugin(script, inner);
  const where: string[] = [];
  let steps = 0;
  for (const step of [at, ...again, 0]) {
    let survivors: { region: Uint8Array; slots: Slots } | undefined;
    const killer = new Killer(step, () => {
      survivors = { region: new Uint8Array(plugin.region), slots: plugin.slots.clone() };
    });
    await plugin.drive(killer, resources);
    steps += killer.steps;
    if (survivors === undefined) break;
    where.push(killer.where);
    plugin.region = survivors.region;
    plugin.slots = survivors.slots;
  }
  const { data } = script;
  const wrong = `killed at step ${[at, ...again]}, ${where}`;
  if (!plugin.finished) throw new Error(`${wrong}: not finished`);
  const [folder] = await keysOf(inner);
  const imageId = folder?.split('/')[1] ?? '';
  if (!(await readImage(inner, resources, imageId)).equals(data)) throw new Error(`${wrong}: other bytes`);
  if (plugin.slots.full.size > 0) throw new Error(`${wrong}: slots were not freed`);
  const { manifest } = plugin;
  if (manifest?.sha256 && manifest.sha256 !== createHash('sha256').update(data).digest('hex'))
    throw new Error(`${wrong}: another digest`);
  if (locks) {
    const until = Date.now() + 0.9 * (script.lock?.retentionMs ?? 0);
    for (const key of await keysOf(inner))
      if (((await inner.retention?.lockedUntil(key)) ?? 0) < until && !/\/(pending|journal|tail|held)/.test(key))
        throw new Error(`${wrong}: ${key} is not locked`);
  }
  // Nothing is left behind that gc would not name.
  for await (const garbage of collectGarbage(inner, { olderThanMs: 0, dryRun: true, now: Date.now() + 1000 }))
    if (garbage.kind === 'pending-image' || garbage.kind === 'unlocked-image')
      throw new Error(`${wrong}: ${garbage.key}: ${garbage.kind}`);
  return { where: where.join(', '), steps };
}
