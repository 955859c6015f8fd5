import type { Test } from 'tap';
import { refusal } from '../../support/refusal.ts';
import { all, fetch, keysOf, pattern, type Subject, streamOf } from './support.ts';

export async function streamConformance(t: Test, { features, fresh }: Subject): Promise<void> {
  await t.test('sizes', async (t) => {
    const store = await fresh();
    const part = features.streamPartBytes;
    for (const size of [0, 1, part, part + 1, 2 * part, 2 * part + 77]) {
      const bytes = pattern(size, size + 1);
      const cut = Math.floor(size / 3);
      const info = await store.putStream('s', streamOf(bytes.subarray(0, cut), bytes.subarray(cut)));
      t.match(info, { key: 's', size });
      t.ok(bytes.equals(await fetch(store, 's')), `${size} bytes`);
    }
    t.same(await all(store.listUploads('')), [], 'no upload is left');
  });

  await t.test('many small pieces whose memory is used again', async (t) => {
    const store = await fresh();
    const reused = Buffer.alloc(1000);
    async function* source(): AsyncGenerator<Uint8Array, undefined> {
      for (let n = 0; n < 300; n += 1) {
        reused.fill(n);
        yield reused;
      }
    }
    await store.putStream('pieces', source());
    const back = await fetch(store, 'pieces');
    t.equal(back.length, 300_000);
    t.ok(back.every((byte, at) => byte === (Math.floor(at / 1000) & 255)));
  });

  await t.test('a failing source leaves nothing', async (t) => {
    const store = await fresh();
    for (const size of [0, 10, features.streamPartBytes + 10]) {
      const reason = new Error('source broke');
      async function* source(): AsyncGenerator<Uint8Array, undefined> {
        if (size > 0) yield pattern(size);
        throw reason;
      }
      const error: unknown = await store.putStream('dir/broken', source()).catch((caught: unknown) => caught);
      t.equal(error, reason, `after ${size} bytes the error of the source comes through`);
    }
    t.same(await keysOf(store), []);
    t.same(await all(store.listFolders('')), []);
    t.same(await all(store.listUploads('')), []);
    await store.put('dir/broken', [pattern(5)]);
    await t.rejects(
      store.putStream(
        'dir/broken',
        (async function* (): AsyncGenerator<Uint8Array, undefined> {
          yield pattern(10);
          throw new Error('again');
        })(),
      ),
    );
    t.equal((await store.head('dir/broken'))?.size, 5, 'an older object stays');
  });

  await t.test('a source that waits for ever can be aborted', async (t) => {
    const store = await fresh();
    const stop = new AbortController();
    async function* source(): AsyncGenerator<Uint8Array, undefined> {
      yield pattern(10);
      stop.abort();
      await new Promise(() => undefined);
    }
    await t.rejects(store.putStream('w', source(), { signal: stop.signal }), refusal('aborted'));
    t.same(await keysOf(store), []);
  });
}
