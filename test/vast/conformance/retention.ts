import type { Test } from 'tap';
import { refusal } from '../../support/refusal.ts';
import { all, fetch, keysOf, pattern, type Subject } from './support.ts';

const HOUR = 3_600_000;

export async function retentionConformance(t: Test, { fresh, features }: Subject): Promise<void> {
  await t.test('an LSU without locks', async (t) => {
    const store = await fresh();
    await store.put('a/b', [pattern(10)]);
    t.equal(await store.retention?.status(), undefined, 'says so');
    t.equal((await store.retention?.lockedUntil('a/b')) ?? 0, 0);
    await store.put('a/b', [pattern(11)]);
    await store.delete(['a/b']);
    t.strictSame(await all(store.history?.hidden('') ?? empty()), [], 'and keeps no versions');
  });

  const { lockingLsu } = features;
  await t.test('locks', { skip: lockingLsu === undefined && 'the store has none' }, async (t) => {
    if (lockingLsu === undefined) return;
    const store = await lockingLsu();
    const { retention, history } = store;
    if (retention === undefined) throw new Error('a locking LSU without locks');
    const status = await retention.status();
    t.ok(Math.abs(status?.skewMs ?? Number.NaN) < 60_000, 'the clock of this machine');
    const until = Math.floor((Date.now() + HOUR) / 1000) * 1000 + 1;
    await store.put('i/a', [pattern(10)]);
    await store.put('i/b', [pattern(20)]);
    t.equal(await retention.lockedUntil('i/a'), 0);
    await retention.extend(['i/a', 'i/b'], until, 'governance');
    t.equal(await retention.lockedUntil('i/a'), until + 999, 'whole seconds, never too early');
    await retention.extend(['i/a'], until - HOUR / 2, 'governance');
    t.equal(await retention.lockedUntil('i/a'), until + 999, 'never shorter');
    await retention.extend(['i/a'], until + HOUR, 'governance');
    t.equal(await retention.lockedUntil('i/a'), until + HOUR + 999);
    t.equal(await retention.lockedUntil('i/none'), 0);
    await t.rejects(retention.extend(['i/none'], until, 'governance'), refusal('not-found'));
    await t.rejects(
      retention.extend(['i/a'], until, 'governance', { signal: AbortSignal.abort() }),
      refusal('aborted'),
    );
    t.ok(pattern(10).equals(await fetch(store, 'i/a')), 'a locked object can be read');

    if (history === undefined) {
      await t.rejects(store.delete(['i/a']), refusal('access'), 'without versions a locked object stays');
      t.strictSame(await keysOf(store), ['i/a', 'i/b']);
      return;
    }
    await store.delete(['i/a']);
    t.strictSame(await keysOf(store), ['i/b'], 'for readers it is gone');
    const hidden = await all(history.hidden('i/'));
    t.match(hidden, [{ key: 'i/a' }, { key: 'i/a' }], 'the locked version and the mark that hides it');
    t.match(await history.purge(['i/a', 'i/b']), [{ key: 'i/a', size: 10 }], 'it stays');
    t.strictSame(await all(history.hidden('')), hidden);
    t.strictSame(await keysOf(store), ['i/b'], 'and hidden');
  });

  await t.test('versions', { skip: lockingLsu === undefined && 'the store has none' }, async (t) => {
    const store = await lockingLsu?.();
    const { history } = store ?? {};
    if (store === undefined || history === undefined) return;
    for (const size of [1, 2, 3]) await store.put('v/a', [pattern(size)]);
    await store.put('v/ab', [pattern(9)]);
    t.same(
      (await all(history.hidden('v/'))).map(({ size }) => size),
      [2, 1],
      'what was replaced',
    );
    t.strictSame(await history.purge(['v/a']), []);
    t.strictSame(await all(history.hidden('')), []);
    t.ok(pattern(3).equals(await fetch(store, 'v/a')), 'the present object is never touched');
    const many = Array.from({ length: features.pageSize * 2 + 1 }, (_, nth) => `m/${nth}`);
    for (const key of many) {
      await store.put(key, [pattern(1)]);
      await store.put(key, [pattern(2)]);
    }
    await store.delete([...many, 'v/a', 'v/ab']);
    t.strictSame(await keysOf(store), []);
    t.strictSame(await all(history.hidden('')), [], 'deletion leaves nothing behind');
  });
}

async function* empty(): AsyncGenerator<never> {}
