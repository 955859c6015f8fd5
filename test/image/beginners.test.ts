import fc from 'fast-check';
import t from 'tap';
import { EngineError } from '../../src/errors.ts';
import { imageIdOf } from '../../src/image/identity.ts';
import type { CloseMode } from '../../src/image/image-backend.ts';
import { ImageReader } from '../../src/image/image-reader.ts';
import { imagePrefix, MANIFEST } from '../../src/image/names.ts';
import { createWriteHandle, reopenWriteHandle } from '../../src/image/open-write-handle.ts';
import { readPending } from '../../src/image/pending-records.ts';
import { verifyImage } from '../../src/image/verify-image.ts';
import type { Resources } from '../../src/pipeline/resources.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { orphans } from '../support/orphans.ts';
import { promise } from '../support/promise.ts';
import { context, feed, layout, Slots, TUNING } from './handle-support.ts';
import { Lines } from './lines.ts';
import { identity, keysOf, MIB, memoryLsu, randomBytes, readImage, testResources } from './support.ts';

const NAME = identity('new');
const PREFIX = imagePrefix(imageIdOf(NAME));
const WRITERS = ['first', 'second', 'third'] as const;
const SIZE = MIB + 512;
const of = (who: string): Buffer => randomBytes(SIZE, who);

/** Begin the image, write it, close it. */
async function write(store: ObjectStore, resources: Resources, creator: string, mode: CloseMode): Promise<void> {
  const handle = await createWriteHandle(context(store, resources, { creator }), layout(resources, 'new'));
  const failed = new Promise<void>((resolve) => handle.onFailure(() => resolve()));
  await Promise.race([feed(handle, new Slots(4), of(creator)), failed]);
  await handle.close(mode, SIZE);
}

async function checkWhole(store: ObjectStore, resources: Resources, who: string): Promise<void> {
  await verifyImage(await ImageReader.open(store, resources, imageIdOf(NAME)), { readAhead: 2 });
  if (!(await readImage(store, resources, imageIdOf(NAME))).equals(of(who))) throw new Error(`not the bytes of ${who}`);
}

t.test('of writers that begin the same image exactly one gets it, at every interleaving of requests', async (t) => {
  promise({
    row: '18',
    promise:
      'Of writers that begin the same image at the same time exactly one completes it, and its bytes are never mixed',
    fault: 'the requests of three writers of one image arrive in any order (fast-check)',
  });
  const resources = testResources(t, 64 * MIB);
  const seen = new Map<string, number>();
  const order = fc.array(fc.nat({ max: 2 }), { maxLength: 60 });
  const modes = fc.tuple(...WRITERS.map(() => fc.constantFrom<CloseMode>('complete', 'complete', 'incomplete')));
  const property = fc.asyncProperty(order, modes, async (order, modes) => {
    const inner = await memoryLsu();
    const lines = new Lines();
    const work = Promise.allSettled(
      WRITERS.map((name, at) => write(lines.of(inner, at), resources, name, modes[at] ?? 'complete')),
    );
    let at = 0;
    await lines.run(work, (writers) => {
      const wanted = order[at];
      at += 1;
      return writers[(wanted ?? at) % writers.length] ?? 0;
    });
    const results = await work;
    for (const result of results)
      if (result.status === 'rejected' && !(result.reason instanceof EngineError)) throw result.reason;
    const won = WRITERS.filter((_, nth) => results[nth]?.status === 'fulfilled');
    if (won.length > 1) throw new Error(`${won.join(' and ')} have both got it`);
    const [winner] = won;
    // One that was being kept while another began it may be kept, and nobody told so.
    if (winner === undefined && !modes.includes('incomplete')) throw new Error('nobody has got it');
    const mode = winner && modes[WRITERS.indexOf(winner)];
    const terms = (await keysOf(inner)).some((key) => /fragment-[0-9]+\./.test(key)) ? 'by a term' : 'plainly';
    const outcome = `${mode ?? 'nobody'} ${terms}`;
    seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
    const there = (await inner.head(`${PREFIX}${MANIFEST}`)) !== undefined;
    if (there !== (mode === 'complete')) throw new Error(`the image is ${there ? '' : 'not '}there`);
    if (winner !== undefined && mode === 'incomplete') {
      const { size } = (await readPending(inner, PREFIX)).handle ?? {};
      if (size !== SIZE) throw new Error(`${size} bytes are kept`);
      const handle = await reopenWriteHandle(context(inner, resources, { creator: 'last' }), NAME, TUNING);
      await handle.close('complete', SIZE);
    }
    if (winner !== undefined) await checkWhole(inner, resources, winner);
    const left = await orphans(inner);
    if (left.length > 0) throw new Error(`${left.join()} is left`);
  });
  await fc.assert(property, { numRuns: 60 });
  t.ok(seen.size >= 3, [...seen].map(([outcome, times]) => `${times} × ${outcome}`).join('; '));
});

t.test('a fence that a dead writer left behind is in nobody\u2019s way', async (t) => {
  const resources = testResources(t);
  const store = await memoryLsu();
  await store.createUpload(`${PREFIX}${MANIFEST}`);
  await write(store, resources, 'first', 'complete');
  await checkWhole(store, resources, 'first');
  t.match(await keysOf(store), [/fragment-000001\.000001-/, /image\.meta$/, /index\.000001-/]);
  t.same(await orphans(store), []);
});
