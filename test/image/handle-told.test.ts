import t, { type Test } from 'tap';
import { ChaosStore } from '../../src/chaos/chaos-store.ts';
import { storePlan } from '../../src/chaos/store-faults.ts';
import { EngineError } from '../../src/errors.ts';
import { collectGarbage } from '../../src/image/collect-garbage.ts';
import type { WriteHandle } from '../../src/image/image-backend.ts';
import { journalMemory, steppedJournal } from '../../src/image/journal-memory.ts';
import { attachWriteHandle, createWriteHandle, reopenWriteHandle } from '../../src/image/open-write-handle.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { Killer } from './crash-support.ts';
import { context, feed, JOURNAL_BYTES, layout, Slots, TUNING } from './handle-support.ts';
import { identity, MIB, memoryLsu, randomBytes, readImage, testResources } from './support.ts';

const data = randomBytes(4 * MIB);
const FULL = { code: 'VOST_CHAOS', failure: 'capacity' };

/** A store that runs out of space: with its third fragment or part, or when the image is to be published. */
function full(inner: ObjectStore, when: 'parts' | 'manifest'): ObjectStore {
  const effect = { kind: 'error', failure: 'capacity' } as const;
  const rule =
    when === 'parts'
      ? { operations: ['part', 'put'] as const, key: /fragment/, after: 2, effect }
      : { operations: ['put'] as const, key: /index$/, effect };
  return new ChaosStore(inner, storePlan(1, [rule]));
}

/** Write all and close; what the close says. */
async function writeAll(handle: WriteHandle, slots: Slots, killer: Killer): Promise<unknown> {
  const failed = new Promise<void>((resolve) => handle.onFailure(() => resolve()));
  try {
    const from = Math.max(handle.firstChunk, slots.freed.length + slots.full.size);
    await Promise.race([feed(handle, slots, data, { from }), failed]);
    if (!killer.dead) await handle.close('complete', data.byteLength);
    return undefined;
  } catch (error) {
    return error;
  } finally {
    if (killer.dead) await handle.detach();
  }
}

interface Outcome {
  readonly died: boolean;
  /** What the host was told by the engine after the dead one. */
  readonly told: unknown;
}

/** An engine meets a full store and dies at a step of its own; another one, on a store that has space again, goes on. */
async function run(t: Test, when: 'parts' | 'manifest', at: number): Promise<Outcome> {
  const resources = testResources(t);
  const inner = await memoryLsu({ minPartBytes: 1 });
  let region = new Uint8Array(JOURNAL_BYTES);
  let slots = new Slots(3);
  let survivors: { readonly region: Uint8Array<ArrayBuffer>; readonly slots: Slots } | undefined;
  const killer = new Killer(at, () => {
    const clone = slots.clone();
    clone.freed.push(...slots.freed);
    survivors = { region: new Uint8Array(region), slots: clone };
  });
  const journal = steppedJournal(journalMemory(region), killer);
  const first = await createWriteHandle(
    context(killer.store(full(inner, when)), resources, { journal }),
    layout(resources, 'x'),
  ).catch(() => undefined);
  const told = first && (await writeAll(first, slots, killer));
  if (survivors === undefined) return { died: false, told };
  if (first === undefined) return { died: true, told: undefined };
  ({ region, slots } = survivors);
  const alive = new Killer(0, () => undefined);
  // Yet another one dies as soon as it has heard of the failure.
  const passing = await attachWriteHandle(
    context(inner, resources, { journal: journalMemory(region) }),
    identity('x'),
    'write',
    TUNING,
  );
  await passing.handle?.detach();
  const { handle, committed } = await attachWriteHandle(
    context(inner, resources, { journal: journalMemory(region) }),
    identity('x'),
    'write',
    TUNING,
  );
  if (handle) slots.putAgain(handle);
  const error = handle && (await writeAll(handle, slots, alive));
  const finished = committed || error === undefined;
  t.equal(slots.full.size, 0, `step ${at}: no slot is held`);
  // What failed is another's to go on with.
  const last = finished
    ? undefined
    : await reopenWriteHandle(context(inner, resources, { creator: 'session/2' }), identity('x'), TUNING);
  if (last) await writeAll(last, new Slots(3), alive);
  t.ok((await readImage(inner, resources, first.imageId)).equals(data), `step ${at}: the image in the end`);
  for await (const { key } of collectGarbage(inner, { olderThanMs: 0, dryRun: true, now: Date.now() + 1000 }))
    t.fail(`step ${at} left ${key}`);
  return { died: true, told: error };
}

for (const when of ['parts', 'manifest'] as const) {
  t.test(`an engine that fails a handle and dies before it says so: full for ${when}`, async (t) => {
    let failures = 0;
    for (let at = 1; ; at += 1) {
      const { died, told } = await run(t, when, at);
      if (told !== undefined) {
        failures += 1;
        t.match(told, FULL, `step ${at}: the host hears why`);
        t.ok(told instanceof EngineError);
      }
      if (!died) break;
    }
    // The last engine does not die; how many steps there are between a failure and its telling depends on who is faster.
    t.ok(failures > 1, `${failures} times`);
  });
}
