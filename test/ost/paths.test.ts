import { lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { imageHandles } from '../../src/ost/image-handles.ts';
import { promise } from '../support/promise.ts';
import { Bench } from './support/engine.ts';
import { imageId, Refusal, refuses } from './support/host.ts';

/** What the directory store calls its temporary files. */
const RESERVED = '.vost-tmp-0';
const TRICKS = [
  '..',
  '.',
  '../other',
  '../../etc',
  'lsu/..',
  'lsu/../other',
  'lsu/',
  '/lsu',
  '/etc/passwd',
  './lsu',
  'lsu/netbackup',
  '.snapshot',
  RESERVED,
  '%2e%2e',
  '..%2fother',
  'lsu\\..\\other',
  'lsu\u2215..',
  '~root',
  '-rf',
  'lsu\r\n',
  'x'.repeat(255),
  '',
];

t.test('names that are paths', async (t) => {
  promise({
    row: 'security',
    promise: 'No name that a host gives leads out of its LSU',
    fault: 'LSU and image names with dots, slashes, escapes, control characters in every request that takes them',
  });
  const bench = new Bench(t, { backend: imageHandles });
  await bench.start();
  const host = await bench.host();
  const store = join(bench.folder, 'store');
  writeFileSync(join(store, 'secret'), 'not an image');
  mkdirSync(join(bench.folder, 'other'));
  const outside = () => [
    ...readdirSync(bench.folder, { recursive: true, encoding: 'utf8' })
      .filter((path) => !path.startsWith(join('store', 'lsu')))
      .sort(),
  ];
  const before = outside();
  let handle = 1n;
  for (const name of TRICKS) {
    const server = 1n;
    const id = imageId('image');
    handle += 1n;
    const asked: Readonly<Record<string, () => Promise<unknown>>> = {
      create: () => host.create(handle, id, { lsu: name }),
      open: () => host.openRead(handle + 1000n, id, name),
      properties: () => host.ask('LSU_PROP', { server, lsu: name }),
      label: () => host.ask('LSU_LABEL', { server, lsu: name, label: 'x' }),
      byName: () => host.ask('IMAGE_PROP_BYNAME', { server, lsu: name, id }),
      list: () => host.ask('IMAGE_LIST', { server, lsu: name, kinds: 0, max: 10, cursor: '' }),
      delete: () => host.ask('IMAGE_DELETE', { server, lsu: name, id, flags: 0 }),
    };
    for (const [what, ask] of Object.entries(asked)) {
      const error = await ask().then(
        () => undefined,
        (error: unknown) => error,
      );
      const result = error instanceof Refusal ? error.result : String(error);
      t.ok(['INVALID', 'NOT_FOUND'].includes(result), `${what} in ${JSON.stringify(name.slice(0, 20))}: ${result}`);
    }
  }
  t.strictSame(outside(), before, 'nothing was made or removed by names of LSUs');

  const data = Buffer.alloc(4096, 1);
  const made: string[] = [];
  for (const name of TRICKS.filter((one) => one !== '' && !one.includes('\r') && one !== RESERVED)) {
    handle += 1n;
    const id = imageId(name, { date: name.slice(0, 127), fullname: name, text1: name.slice(0, 127) });
    await host.backup(handle, id, data);
    handle += 1n;
    t.ok((await host.restore(handle, id)).equals(data), `an image may be called ${JSON.stringify(name.slice(0, 20))}`);
    made.push(name);
  }
  t.strictSame(outside(), before, 'nothing was made outside of the LSU');
  const folders = readdirSync(join(store, 'lsu', 'netbackup'));
  t.equal(folders.length, made.length, 'each is a folder of its own');
  for (const folder of folders) t.ok(lstatSync(join(store, 'lsu', 'netbackup', folder)).isDirectory());
  for (const name of ['', RESERVED, 'a\r\nb']) {
    handle += 1n;
    await refuses(t, host.create(handle, imageId(name)), 'INVALID', JSON.stringify(name));
  }
});
