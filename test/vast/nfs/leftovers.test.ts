import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { collectGarbage } from '../../../src/image/collect-garbage.ts';
import { FileStorage } from '../../../src/vast/nfs/storage.ts';
import type { ObjectStore } from '../../../src/vast/store.ts';
import { promise } from '../../support/promise.ts';
import { refusal } from '../../support/refusal.ts';

const DAY = 86_400_000;
const IMAGE = 'netbackup/img_1_0123456789abcdef';

const gc = (store: ObjectStore, olderThanMs: number, dryRun = false) =>
  Array.fromAsync(collectGarbage(store, { olderThanMs, dryRun }));

t.test('what a killed put leaves is named once it is old, and removed', async (t) => {
  promise({
    row: 'gc',
    promise: 'Temporary files of killed writers are named and removed once they are old',
    fault: 'SIGKILL amid a put',
  });
  const root = t.testdir({ lsu: {} });
  const file = fileURLToPath(new URL('leftover-child.ts', import.meta.url));
  const child = spawn(process.execPath, [file, root, `${IMAGE}/index`], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await exited;
  const folder = join(root, 'lsu', IMAGE);
  const [name = '', ...others] = readdirSync(folder);
  t.strictSame(others, []);
  const store = await new FileStorage(root).open('lsu');
  t.strictSame(await gc(store, DAY), [], 'it may be of a writer that is at work');
  utimesSync(join(folder, name), new Date(Date.now() - 2 * DAY), new Date(Date.now() - 2 * DAY));
  const found = { kind: 'temporary-file', key: `${IMAGE}/${name}`, bytes: 1000 };
  t.match(await gc(store, DAY, true), [{ ...found, removed: false }]);
  t.ok(existsSync(join(folder, name)));
  t.match(await gc(store, DAY), [{ ...found, removed: true }]);
  t.notOk(existsSync(folder), 'with the folder that was made for it');
  t.strictSame(await gc(store, 0), []);
});

t.test('files of uploads are told as uploads, and records without data as leftovers', async (t) => {
  const root = t.testdir({ lsu: {} });
  const store = await new FileStorage(root).open('lsu');
  const [whole, torn] = [await store.createUpload(`${IMAGE}/fragment-000001`), await store.createUpload('a/b')];
  unlinkSync(join(root, 'lsu', 'a', `.vost-tmp-${torn.id}`));
  const data = `.vost-tmp-${'0'.repeat(32)}`;
  writeFileSync(join(root, 'lsu', data), 'x');
  writeFileSync(join(root, 'lsu', '.vost-tmp-somebody'), 'not a name that we give');
  mkdirSync(join(root, 'elsewhere'));
  writeFileSync(join(root, 'elsewhere', data), 'x');
  symlinkSync(join(root, 'elsewhere'), join(root, 'lsu', 'link'));
  const named = (await gc(store, 0)).map(({ kind, key }) => `${kind} ${key}`);
  t.strictSame(named.sort(), [
    `orphan-upload ${IMAGE}/fragment-000001`,
    `temporary-file ${data}`,
    `temporary-file a/.vost-tmp-${torn.id}.parts`,
  ]);
  t.strictSame(readdirSync(join(root, 'lsu')).sort(), ['.vost-tmp-somebody', 'link']);
  t.ok(existsSync(join(root, 'elsewhere', data)), 'links are not followed');
  t.equal(whole.key, `${IMAGE}/fragment-000001`);
});

t.test('nothing else can be removed as a leftover', async (t) => {
  const root = t.testdir({ lsu: { object: 'x' }, data: 'x' });
  const { leftovers } = await new FileStorage(root).open('lsu');
  if (leftovers === undefined) throw new Error('a directory has them');
  for (const name of [
    'object',
    '../data',
    `../.vost-tmp-${'0'.repeat(32)}`,
    '.vost-tmp-',
    `/.vost-tmp-${'0'.repeat(32)}`,
  ])
    await t.rejects(leftovers.remove(name), refusal('usage', { code: 'VOST_BAD_KEY' }), name);
  await leftovers.remove(`folder/.vost-tmp-${'0'.repeat(32)}`);
  t.strictSame(readdirSync(join(root, 'lsu')), ['object']);
});
