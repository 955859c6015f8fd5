import t, { type Test } from 'tap';
import type { WriteHandle } from '../../../src/image/image-backend.ts';
import { identity, MIB } from '../../image/support.ts';
import { DATA, HandlePlace, type OpenBackend, TUNING } from './handle-place.ts';

/** What every backend promises of its handles; see src/image/image-backend.ts. */
export function handleSuite(openBackend: OpenBackend): void {
  async function placeOf(t: Test): Promise<HandlePlace> {
    const place = await HandlePlace.open(t.testdir({}), openBackend);
    t.teardown(() => place.close());
    return place;
  }

  t.test('chunks in any order, and what is read of them', async (t) => {
    const place = await placeOf(t);
    const handle = await place.create(await place.context('one'), 'image');
    t.match(handle, { chunkBytes: MIB, firstChunk: 0, size: 0 });
    for (const n of [3, 1, 5, 2]) place.put(handle, n, n, n === 5);
    t.equal(handle.progress.acknowledged, 0, 'nothing without the first one');
    place.put(handle, 0, 0);
    await handle.flush();
    await place.free(0, 1, 2, 3);
    t.ok(place.full.has(5), 'what is beyond a gap stays');
    await t.rejects(handle.readMeta(7), { message: /./, failure: 'not-found' });
    const blob = place.arena.slot(6).subarray(0, 300);
    blob.set(DATA.subarray(0, 300));
    await handle.writeMeta(7, blob);
    t.ok(Buffer.from(await handle.readMeta(7)).equals(DATA.subarray(0, 300)));
    place.put(handle, 4, 4);
    const manifest = await handle.close('complete', DATA.byteLength);
    t.match(manifest, { size: DATA.byteLength });
    t.match(handle.progress, { accepted: DATA.byteLength, acknowledged: DATA.byteLength, partsInFlight: 0 });
    t.ok((await place.restore('image')).equals(DATA));
    const reader = await place.open('image');
    t.strictSame(reader.manifest, manifest);
    const found = await reader.read(2 * MIB + 700, 512, place.arena.slot(0), false);
    t.ok(
      place
        .piece(2 * MIB + 700, found)
        .subarray(0, 512)
        .equals(DATA.subarray(2 * MIB + 700, 2 * MIB + 1212)),
    );
    t.match(await reader.read(DATA.byteLength, 512, place.arena.slot(0), false), { length: 0, eof: true });
    t.ok(Buffer.from(await reader.readMeta(7)).equals(DATA.subarray(0, 300)));
    await t.rejects(reader.readMeta(8), { message: /./, failure: 'not-found' });
    const aborted = reader.read(0, 512, place.arena.slot(0), false, AbortSignal.abort());
    await t.rejects(aborted, { message: /./, failure: 'aborted' });
    await reader.close();
  });

  t.test('what is refused', async (t) => {
    const place = await placeOf(t);
    await place.backup('there');
    await t.rejects(place.create(await place.context('two'), 'there'), {
      message: /./,
      failure: 'exists',
      code: /^VOST_/,
    });
    await t.rejects(place.open('nowhere'), { message: /./, failure: 'not-found' });
    const nowhere = { ...TUNING };
    const context = await place.context('three');
    await t.rejects(place.backend.reopen(context, identity('nowhere'), nowhere), {
      message: /./,
      failure: 'not-found',
    });
    await t.rejects(place.backend.attach(context, identity('nowhere'), TUNING), { message: /./, failure: 'not-found' });
    await t.rejects(place.backend.reopen(context, identity('there'), TUNING), { code: 'VOST_IMAGE_COMPLETE' });
    const handle = await place.create(await place.context('four'), 'gap');
    place.put(handle, 1, 1);
    await t.rejects(handle.close('complete', 2 * MIB), { message: /./, failure: /./ });
    await place.free(1);
  });

  t.test('a chunk that cannot be taken fails the handle, once', async (t) => {
    const place = await placeOf(t);
    const handle = await place.create(await place.context('one'), 'bad');
    const failures: string[] = [];
    const failed = new Promise<void>((resolve) =>
      handle.onFailure(({ failure }) => {
        failures.push(failure);
        resolve();
      }),
    );
    place.put(handle, 2, 2);
    place.put(handle, 5, 5, false);
    await failed;
    await place.free(2, 5);
    place.put(handle, 0, 0);
    await place.free(0);
    await t.rejects(handle.close('complete', MIB));
    t.equal(failures.length, 1);
    handle.onFailure(({ failure }) => failures.push(failure));
    t.equal(failures.length, 2, 'who asks later hears of it');
  });

  t.test('an image is left, and goes on', async (t) => {
    const place = await placeOf(t);
    const size = 2 * MIB + 512;
    const first = await place.create(await place.context('one'), 'image');
    place.put(first, 0, 0);
    place.put(first, 1, 1);
    place.put(first, 2, 2, true, DATA.subarray(0, size));
    t.equal(await first.close('incomplete', size), undefined);
    const again = await place.backend.reopen(await place.context('two'), identity('image'), TUNING);
    t.match(again, { size, firstChunk: 2 });
    t.equal(await again.present(2, place.arena.slot(7)), 512);
    t.ok(Buffer.from(place.arena.slot(7).subarray(0, 512)).equals(DATA.subarray(2 * MIB, size)));
    t.equal(await again.present(3, place.arena.slot(7)), 0);
    place.put(again, 2, 2);
    await again.close('abandon', 3 * MIB);
    const last = await place.backend.reopen(await place.context('three'), identity('image'), TUNING);
    t.match(last, { size, firstChunk: 2 }, 'what was kept before');
    await place.write(last, 2);
    await last.close('complete', DATA.byteLength);
    t.ok((await place.restore('image')).equals(DATA));
  });

  t.test('a handle is taken up again', async (t) => {
    const place = await placeOf(t);
    const { region } = await (async () => {
      const context = await place.context('one');
      const handle = await place.create(context, 'image');
      place.put(handle, 0, 0);
      await place.free(0);
      place.put(handle, 3, 3);
      await handle.detach();
      return context;
    })();
    t.equal(place.full.size, 0);
    await t.rejects(place.backend.attach(await place.context('two'), identity('image'), TUNING), {
      message: /./,
      failure: 'busy',
    });
    const context = await place.context('one', region);
    const { committed, handle } = await place.backend.attach(context, identity('image'), TUNING);
    t.notOk(committed);
    if (handle === undefined) return;
    t.equal(handle.firstChunk, 0);
    await place.write(handle, 0);
    await handle.close('complete', DATA.byteLength);
    t.match(await place.backend.attach(context, identity('image'), TUNING), { committed: true });
    t.ok((await place.restore('image')).equals(DATA));
  });

  t.test('a signal ends a handle, and leaves what it has', async (t) => {
    const place = await placeOf(t);
    const stop = new AbortController();
    const context = await place.context('one', undefined, stop.signal);
    const handle = await place.create(context, 'image');
    place.put(handle, 0, 0);
    await handle.flush();
    place.put(handle, 2, 2);
    stop.abort();
    await place.free(2);
    await handle.detach();
    await t.rejects(place.create(context, 'other'), { message: /./, failure: 'aborted' });
    const next = await place.backend.attach(await place.context('one', context.region), identity('image'), TUNING);
    if (next.handle === undefined) throw new Error('it is gone');
    await place.write(next.handle);
    await next.handle.close('complete', DATA.byteLength);
    t.ok((await place.restore('image')).equals(DATA));
  });

  t.test('whoever left an image open is asked about before it is taken', async (t) => {
    const place = await placeOf(t);
    const first = await place.create(await place.context('first'), 'image');
    place.put(first, 0, 0);
    await first.flush();
    await first.detach();
    const asked: [string, boolean][] = [];
    const reopen = async (may: boolean): Promise<WriteHandle> =>
      place.backend.reopen(await place.context('second'), identity('image'), {
        ...TUNING,
        takeOver: async (creator, touched) => {
          asked.push([creator, Math.abs(Date.now() - touched) < 60_000]);
          return may;
        },
      });
    await t.rejects(reopen(false), { message: /./, failure: 'busy' });
    const second = await reopen(true);
    t.strictSame(asked, [
      ['first', true],
      ['first', true],
    ]);
    await place.write(second, second.firstChunk);
    await second.close('complete', DATA.byteLength);
    t.ok((await place.restore('image')).equals(DATA));
  });

  t.test('a copy', async (t) => {
    const place = await placeOf(t);
    await place.backup('from');
    const { store, place: where, resources } = await place.context('copier');
    const from = { store, place: where, imageId: (await place.open('from')).imageId };
    const to = { store, place: where, identity: identity('to') };
    const done: number[] = [];
    const onProgress = (bytes: number): void => {
      done.push(bytes);
    };
    const copied = await place.backend.copy(from, to, resources, { sameStorage: true, creator: 'copier', onProgress });
    t.match(copied, { size: DATA.byteLength, creator: 'copier' });
    t.ok((done.at(-1) ?? 0) > DATA.byteLength, 'with its index');
    t.ok((await place.restore('to')).equals(DATA));
    await t.rejects(place.backend.copy(from, to, resources, { sameStorage: true }), {
      message: /./,
      failure: 'exists',
    });
  });
}
