import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { jsonLines, run } from './support.ts';

/** Flip one bit of a file, as a disk may. */
function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at] = (bytes[at] ?? 0) ^ 4;
  writeFileSync(file, bytes);
}

t.test('verify by age, scrub, repair', async (t) => {
  const folder = t.testdir({ lsu: {}, copies: {} });
  const store = ['--store', `file:${folder}`];
  const data = Buffer.alloc(3_000_000, 'what was backed up ');
  for (const name of ['one', 'two'])
    await run([...store, 'backup', 'lsu', name, '-', '--date', '1', '--chunk-size-mb', '1'], { input: data });
  const images = join(folder, 'lsu', 'netbackup');
  const [one = '', two = ''] = readdirSync(images).sort();
  const snapshot = join(folder, 'lsu', '.snapshot', 'nightly');
  mkdirSync(snapshot, { recursive: true });
  cpSync(images, join(snapshot, 'netbackup'), { recursive: true });
  cpSync(images, join(folder, 'copies', 'netbackup'), { recursive: true });

  const meta = join(images, two, 'image.meta');
  const text = readFileSync(meta, 'utf8');
  writeFileSync(meta, text.replace(/"committed": "[^"]*"/, '"committed": "2020-01-01T00:00:00.000Z"'));
  const verified = async (...args: string[]) => jsonLines(await run([...store, '--json', 'verify', 'lsu', ...args]));
  t.match(await verified('--older-than', '30d'), [{ image_id: two, result: 'ok' }]);
  t.match(await verified('--newer-than', '1h'), [{ image_id: one, result: 'ok' }]);
  t.strictSame(await verified('--older-than', '1h', '--newer-than', '2h'), []);
  t.equal((await run([...store, 'verify', 'lsu', 'one', '--older-than', '1h'])).code, 2);

  flip(join(images, one, 'fragment-000001'), 2_500_000);
  const scrubbed = await run([...store, 'scrub', 'lsu', '--bytes-per-second', '100M']);
  t.equal(scrubbed.code, 7);
  t.match(
    scrubbed.stderr,
    /2 images.*1 damaged; every image has been verified[\s\S]*\[VOST_CORRUPT\][\s\S]*repair lsu IMAGE/,
  );
  t.match(
    String(scrubbed.stdout),
    new RegExp(`${one}  DAMAGED  .*${one}: the bytes from offset 2097152 on \\(chunk 2, leaf 0\\)`),
  );
  const none = await run([...store, '--json', 'scrub', 'lsu', '--for', '0s']);
  t.match([none.code, jsonLines(none)], [0, [{ end: 'time', images: 0 }]]);
  t.equal((await run([...store, 'scrub', 'lsu', '--bytes-per-second', '10K'])).code, 2);

  const repair = (...args: string[]) => run([...store, '--json', 'repair', 'lsu', ...args]);
  const dry = await repair('one', '--from', 'copies', '--dry-run');
  t.match([dry.code, jsonLines(dry)[1]], [7, { object: 'fragment-000001', state: 'damaged', code: 'VOST_CORRUPT' }]);
  const healed = await repair('one', '--from', 'copies');
  t.equal(healed.code, 0, healed.stderr);
  t.match(
    jsonLines(healed).map(({ object, state }) => `${object} ${state}`),
    ['index good', 'fragment-000001 healed', 'image.meta good'],
  );
  t.equal((await run([...store, 'verify', 'lsu'])).code, 0);

  flip(join(images, one, 'image.meta'), 0);
  t.equal((await run([...store, 'verify', 'lsu'])).code, 7);
  const again = await run([...store, 'repair', 'lsu', 'one', '--from-snapshot', 'nightly']);
  t.match(String(again.stdout), /image\.meta {2}healed/, 'the snapshot tells which image is called so');
  t.equal((await run([...store, 'verify', 'lsu'])).code, 0);
  t.ok((await run([...store, 'restore', 'lsu', 'one'])).stdout.equals(data));

  const manifest = readFileSync(join(images, one, 'image.meta'), 'utf8');
  writeFileSync(join(images, one, 'image.meta'), manifest.replace('"version": 1', '"version": 9'));
  const newer = await run([...store, '--json', 'verify', 'lsu']);
  t.match(
    [newer.code, jsonLines(newer).map(({ result }) => result)],
    [9, ['damaged', 'ok']],
    'the next image is verified all the same',
  );
  t.equal((await repair('one', '--from', 'copies')).code, 0);

  t.equal((await repair('one', '--from', 'lsu')).code, 2, 'from itself');
  t.equal((await repair('one', '--from', 'copies:three')).code, 3);
  t.equal((await repair('one', '--from', 'nowhere')).code, 3);
  t.match((await run([...store, '--json', 'gc', 'lsu', '--older-than', '0s'])).stdout.byteLength, 0);
});
