import t from 'tap';
import { EngineError } from '../../src/errors.ts';
import { deleteImage } from '../../src/image/delete-image.ts';
import { imageIdOf } from '../../src/image/identity.ts';
import { imagePrefix } from '../../src/image/names.ts';
import { Pace } from '../../src/image/pace.ts';
import { type ScrubbedImage, type ScrubOptions, scrub } from '../../src/image/scrub.ts';
import { readScrubState, SCRUB_KEY } from '../../src/image/scrub-state.ts';
import type { Resources } from '../../src/pipeline/resources.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { promise } from '../support/promise.ts';
import { refusal } from '../support/refusal.ts';
import { wrapStore } from '../support/wrap-store.ts';
import {
  identity,
  MIB,
  memoryLsu,
  objectBytes,
  randomBytes,
  testResources,
  writeImage,
  writerOptions,
} from './support.ts';

const HOUR = 3_600_000;
const idOf = (name: string): string => imageIdOf(identity(name));

/** A clock, and runs that are told by the names of the images done. */
function bench(store: ObjectStore, resources: Resources) {
  const clock = { now: Date.UTC(2026, 10, 21) };
  const run = async (options: Partial<ScrubOptions> = {}) => {
    const told: string[] = [];
    const onImage = async (image: ScrubbedImage): Promise<void> => {
      told.push(`${image.imageId.split('_')[0]} ${image.error?.code ?? 'ok'}`);
      await options.onImage?.(image);
    };
    const result = await scrub(store, resources, {
      name: 'me',
      readAhead: 1,
      now: () => clock.now,
      ...options,
      onImage,
    });
    return { ...result, told };
  };
  return { clock, run };
}

t.test(
  'rounds go through all images, damage does not stop them, and a run goes on where the last one ended',
  async (t) => {
    const resources = testResources(t);
    const store = await memoryLsu();
    for (const name of ['a', 'b', 'c', 'd'])
      await writeImage(store, resources, writerOptions(resources, name), randomBytes(MIB));
    const key = `${imagePrefix(idOf('b'))}fragment-000001`;
    const bytes = await objectBytes(store, key);
    bytes[7] = (bytes[7] ?? 0) ^ 1;
    await store.put(key, [bytes]);
    const { clock, run } = bench(store, resources);
    const first = await run({
      forMs: HOUR,
      onImage: ({ imageId }) => {
        if (imageId === idOf('b')) clock.now += HOUR;
      },
    });
    t.match(first, { end: 'time', told: ['a ok', 'b VOST_CORRUPT'], images: 2, damaged: 1 });
    await writeImage(store, resources, writerOptions(resources, 'cc'), randomBytes(10));
    await deleteImage(store, idOf('d'));
    t.match(await run(), { end: 'finished', told: ['c ok', 'cc ok'], damaged: 0 });
    t.match(await readScrubState(store), { round: undefined, last: { images: 4, damaged: 1 }, by: undefined });
    t.match(await run(), { told: ['a ok', 'b VOST_CORRUPT', 'c ok', 'cc ok'] }, 'the next round begins anew');
  },
);

t.test('a large image is verified in several runs', async (t) => {
  promise({
    row: 'integrity',
    promise: 'A scrub goes on inside an image where the last run ended',
    fault: 'runs that end amid an image',
  });
  const resources = testResources(t);
  const plain = await memoryLsu();
  const clock = { now: Date.UTC(2026, 10, 21) };
  const reads: number[] = [];
  const store = wrapStore(plain, {
    read: async (key, offset, into, options) => {
      if (key.includes('fragment')) {
        reads.push(offset / MIB);
        clock.now += HOUR;
      }
      await plain.read(key, offset, into, options);
    },
  });
  await writeImage(store, resources, writerOptions(resources, 'large'), randomBytes(5 * MIB));
  const ends: string[] = [];
  for (let end = ''; end !== 'finished' && ends.length < 9; ends.push(end)) {
    ({ end } = await scrub(store, resources, { name: 'me', readAhead: 1, now: () => clock.now, forMs: HOUR }));
  }
  t.strictSame(reads, [0, 1, 2, 3, 4], 'every chunk once');
  t.ok(ends.length > 2);
  t.match((await readScrubState(plain)).last, { images: 1, bytes: 5 * MIB, damaged: 0 });

  reads.length = 0;
  await scrub(store, resources, { name: 'me', readAhead: 1, now: () => clock.now, forMs: HOUR });
  t.match((await readScrubState(plain)).round, { within: { image: idOf('large'), offset: Number } });
  await deleteImage(plain, idOf('large'));
  clock.now += HOUR;
  await writeImage(plain, resources, writerOptions(resources, 'large'), randomBytes(3 * MIB, 'new'));
  reads.length = 0;
  t.equal((await scrub(store, resources, { name: 'me', readAhead: 1, now: () => clock.now })).end, 'finished');
  t.strictSame(reads, [0, 1, 2], 'an image written anew is verified from its beginning');
});

t.test('rounds on a schedule, and several engines', async (t) => {
  promise({
    row: 'integrity',
    promise: 'Every image is verified on a schedule, once, also with several engines',
    fault: 'two engines, an interval',
  });
  const resources = testResources(t);
  const store = await memoryLsu();
  for (const name of ['a', 'b']) await writeImage(store, resources, writerOptions(resources, name), randomBytes(10));
  const { clock, run } = bench(store, resources);
  const everyMs = 24 * HOUR;
  t.match(await run({ everyMs }), { end: 'finished', images: 2 });
  t.match(await run({ everyMs }), { end: 'not-due', images: 0 });
  clock.now += everyMs;
  const others: string[] = [];
  const result = await run({
    everyMs,
    onImage: async () => {
      if (others.length > 0) return;
      others.push((await run({ everyMs, name: 'other engine' })).end);
      // A person is not refused; the engine notices when it writes down where it is.
      others.push((await run({ name: 'a person' })).end);
    },
  });
  t.strictSame(others, ['not-due', 'finished']);
  t.match(result, { end: 'finished', told: ['a ok', 'b ok'] });
});

t.test('a scrub that was taken over stops', async (t) => {
  const resources = testResources(t);
  const store = await memoryLsu();
  for (const name of ['a', 'b']) await writeImage(store, resources, writerOptions(resources, name), randomBytes(10));
  const { clock, run } = bench(store, resources);
  const taken = await run({
    onImage: async () => {
      const state = await readScrubState(store);
      const by = { name: 'other', until: new Date(clock.now + HOUR).toISOString() };
      await store.put(SCRUB_KEY, [Buffer.from(JSON.stringify({ ...state, by }))]);
      clock.now += HOUR;
    },
  });
  t.match(taken, { end: 'taken', told: ['a ok'] });
  t.equal((await readScrubState(store)).by?.name, 'other', 'its record is not touched');
});

t.test('what is noted when it is stopped; what makes no sense is begun anew', async (t) => {
  const resources = testResources(t);
  const store = await memoryLsu();
  for (const name of ['a', 'b']) await writeImage(store, resources, writerOptions(resources, name), randomBytes(10));
  const { run } = bench(store, resources);
  const stop = new AbortController();
  await t.rejects(
    run({ signal: stop.signal, onImage: () => stop.abort(new EngineError('VOST_ABORTED', 'aborted', 'enough')) }),
    refusal('aborted'),
  );
  t.match((await readScrubState(store)).round, { after: idOf('a') });
  t.match(await run(), { told: ['b ok'] });
  for (const text of ['{', '{"format":"vast-ost-scrub","version":1,"round":{"began":"x"}}', 'x'.repeat(20_000)]) {
    await store.put(SCRUB_KEY, [Buffer.from(text)]);
    t.match(await run(), { end: 'finished', images: 2 });
  }
});

t.test('an image deleted while it is read is no damage', async (t) => {
  promise({
    row: 'integrity',
    promise: 'A scrub takes no image for damaged that was deleted meanwhile',
    fault: 'delete amid a scrub',
  });
  const resources = testResources(t);
  const plain = await memoryLsu();
  await writeImage(plain, resources, writerOptions(resources, 'a'), randomBytes(2 * MIB));
  const store = wrapStore(plain, {
    read: async (key, offset, into, options) => {
      if (key.includes('fragment')) await deleteImage(plain, idOf('a'));
      await plain.read(key, offset, into, options);
    },
  });
  t.match(await bench(store, resources).run(), { end: 'finished', damaged: 0, told: [] });
});

t.test('the pace spreads bytes evenly and lends nothing', async (t) => {
  promise({ row: 'limits', promise: 'A scrub keeps its bytes per second', fault: 'a slow pace' });
  const clock = { now: 1000 };
  const pace = new Pace(1000, () => clock.now);
  t.equal(pace.delay(500), 0);
  t.equal(pace.delay(500), 500);
  t.equal(pace.delay(1), 1000);
  clock.now += 60_000;
  t.equal(pace.delay(2000), 0, 'a pause is not made up for');
  t.equal(pace.delay(1), 2000);
  await t.rejects(
    pace.take(1, AbortSignal.abort(new EngineError('VOST_ABORTED', 'aborted', 'enough'))),
    refusal('aborted'),
  );
  t.equal(new Pace(Number.POSITIVE_INFINITY).delay(1e12), 0);
});
