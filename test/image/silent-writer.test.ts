import fc from 'fast-check';
import t from 'tap';
import { EngineError } from '../../src/errors.ts';
import { imageIdOf } from '../../src/image/identity.ts';
import type { WriteHandle } from '../../src/image/image-backend.ts';
import { ImageReader } from '../../src/image/image-reader.ts';
import { imagePrefix, MANIFEST } from '../../src/image/names.ts';
import { createWriteHandle, reopenWriteHandle } from '../../src/image/open-write-handle.ts';
import { openReadHandle } from '../../src/image/read-handle.ts';
import { verifyImage } from '../../src/image/verify-image.ts';
import type { Resources } from '../../src/pipeline/resources.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { orphans } from '../support/orphans.ts';
import { promise } from '../support/promise.ts';
import { context, feed, layout, Slots, TUNING } from './handle-support.ts';
import { Lines } from './lines.ts';
import { identity, MIB, memoryLsu, randomBytes, readImage, testResources } from './support.ts';

const NAME = identity('left');
const PREFIX = imagePrefix(imageIdOf(NAME));
const takeOver = (): boolean => true;

/** An image with `kept` bytes that a writer has open and has written on to. */
async function leftOpen(
  store: ObjectStore,
  resources: Resources,
  data: Uint8Array,
  kept: number,
): Promise<{ handle: WriteHandle; slots: Slots }> {
  const first = await createWriteHandle(context(store, resources, { creator: 'first' }), layout(resources, 'left'));
  await first.writeMeta(1, Buffer.from('kept'));
  await feed(first, new Slots(3), data.subarray(0, kept));
  await first.close('incomplete', kept);
  const handle = await reopenWriteHandle(context(store, resources, { creator: 'old' }), NAME, TUNING);
  const slots = new Slots(4);
  await handle.writeMeta(1, Buffer.from('old'));
  await feed(handle, slots, data);
  return { handle, slots };
}

/** Reopen, write the image whole, close it. */
async function takeAndComplete(
  store: ObjectStore,
  resources: Resources,
  creator: string,
  data: Uint8Array,
): Promise<number> {
  const handle = await reopenWriteHandle(context(store, resources, { creator }), NAME, { ...TUNING, takeOver });
  const { size } = handle;
  const failed = new Promise<void>((resolve) => handle.onFailure(() => resolve()));
  await handle.writeMeta(1, Buffer.from(creator)).catch(() => undefined);
  await Promise.race([feed(handle, new Slots(4), data), failed]);
  await handle.close('complete', data.byteLength);
  return size;
}

t.test('at no interleaving of requests two writers both commit, or bytes mix, or what was kept is lost', async (t) => {
  promise({
    row: '18',
    promise:
      'Of a writer that comes back and those that took its image over, at most one commits, and its image is whole; what a close had kept is kept',
    fault:
      'the requests of an old writer, which closes, and of two others, which take over and write, arrive in any order (fast-check)',
  });
  const resources = testResources(t, 64 * MIB);
  const kept = MIB + 512;
  const base = randomBytes(kept, 'kept');
  const of = (who: string): Buffer => Buffer.concat([base, randomBytes(2 * MIB - 1024, who)]);
  const seen = new Map<string, number>();
  const turns = fc.array(fc.nat({ max: 2 }), { maxLength: 160 });
  const property = fc.asyncProperty(turns, fc.constantFrom('complete', 'incomplete'), async (order, mode) => {
    const inner = await memoryLsu();
    const lines = new Lines();
    const names = ['old', 'second', 'third'] as const;
    const stores = names.map((_, who) => lines.of(inner, who));
    const opening = leftOpen(stores[0] as ObjectStore, resources, of('old'), kept);
    await lines.run(opening, ([first = 0]) => first);
    const { handle } = await opening;
    const results = await (async () => {
      const work = Promise.allSettled([
        handle.close(mode, of('old').byteLength),
        ...names.slice(1).map((name, at) => takeAndComplete(stores[at + 1] as ObjectStore, resources, name, of(name))),
      ]);
      let at = 0;
      await lines.run(work, (writers) => {
        const wanted = order[at];
        at += 1;
        return writers[(wanted ?? at) % writers.length] ?? 0;
      });
      return work;
    })();
    const sizeOf = (all: typeof results, name: (typeof names)[number]): number => {
      const result = all[names.indexOf(name)];
      return name !== 'old' && result?.status === 'fulfilled' && typeof result.value === 'number' ? result.value : kept;
    };
    const won = names.filter((_, at) => results[at]?.status === 'fulfilled' && (at > 0 || mode === 'complete'));
    for (const result of results)
      if (result.status === 'rejected' && !(result.reason instanceof EngineError)) throw result.reason;
    const [winner, ...others] = won;
    if (others.length > 0) throw new Error(`${won.join(' and ')} have both committed`);
    const outcome = `${mode} ${results[0]?.status}, ${winner ?? 'nobody'}`;
    seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
    const there = await inner.head(`${PREFIX}${MANIFEST}`);
    if ((there === undefined) !== (winner === undefined)) throw new Error(`the image is ${there ? '' : 'not '}there`);
    // Whoever comes next finds it whole, or goes on with what was kept.
    const size =
      winner === undefined ? await takeAndComplete(inner, resources, 'last', of('last')) : sizeOf(results, winner);
    const whole = of('old').byteLength;
    if (size !== kept && size !== whole) throw new Error(`${size} bytes are kept`);
    if (mode === 'incomplete' && results[0]?.status === 'fulfilled' && size !== whole)
      throw new Error(`${size} bytes of ${whole} are kept`);
    const reader = await ImageReader.open(inner, resources, imageIdOf(NAME));
    await verifyImage(reader, { readAhead: 2 });
    const bytes = await readImage(inner, resources, imageIdOf(NAME));
    // What was kept is sealed but for its last, short chunk; all after it is of one writer.
    const sealed = Math.floor(size / MIB) * MIB;
    const mine = of(winner ?? 'last');
    if (!bytes.subarray(0, sealed).equals(of('old').subarray(0, sealed))) throw new Error('what was kept has changed');
    if (!bytes.subarray(sealed).equals(mine.subarray(sealed))) throw new Error('bytes have mixed');
    const meta = Buffer.from(await (await openReadHandle(context(inner, resources), NAME)).readMeta(1)).toString();
    if (meta !== (winner ?? 'last')) throw new Error(`the blob is of ${meta}`);
    const left = await orphans(inner);
    if (left.length > 0) throw new Error(`${left.join()} is left`);
  });
  await fc.assert(property, { numRuns: 40 });
  t.ok(seen.size >= 3, [...seen].map(([outcome, times]) => `${times} × ${outcome}`).join('; '));
});
