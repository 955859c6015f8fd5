import { writeFileSync } from 'node:fs';
import t from 'tap';
import { ImageReader } from '../../src/image/image-reader.ts';
import { imagePrefix, MANIFEST } from '../../src/image/names.ts';
import { verifyImage } from '../../src/image/verify-image.ts';
import {
  keysOf,
  MIB,
  memoryLsu,
  objectBytes,
  randomBytes,
  readImage,
  textBytes,
  writeImage,
  writerOptions,
} from '../image/support.ts';
import { refusal } from '../support/refusal.ts';
import { fixture, general, load } from './support.ts';

const data = randomBytes(5 * MIB + 12_345);

t.test('an image through a transform, whole and in parts', async (t) => {
  const store = await memoryLsu();
  const { resources, chain } = await load(t, general(`${fixture('xor')}:mask=7`));
  const stages = [...chain.transforms];
  const { imageId, manifest } = await writeImage(store, resources, { ...writerOptions(resources, 'a'), stages }, data);
  t.match(manifest.chain, [
    { name: 'checksum' },
    { name: 'vast-ost-stage-xor', version: '1.2.0', options: { mask: 7, recorded: { trailer: 1 } } },
  ]);
  const stored = await objectBytes(store, `${imagePrefix(imageId)}fragment-000001`);
  t.equal(stored.byteLength, data.byteLength + 6, 'a byte for each chunk');
  t.equal(stored[0], (data[0] ?? 0) ^ 7);
  t.ok((await readImage(store, resources, imageId)).equals(data));
  const range = { offset: MIB - 3, length: 2 * MIB };
  t.ok((await readImage(store, resources, imageId, range)).equals(data.subarray(MIB - 3, 3 * MIB - 3)));
  await verifyImage(await ImageReader.open(store, resources, imageId), { readAhead: 2 });

  const others = await load(t, general(`none\nread_stages = ${fixture('xor')}:mask=9`));
  t.equal(others.chain.transforms.length, 0);
  t.ok((await readImage(store, others.resources, imageId)).equals(data), 'by another configuration');

  const without = await load(t, '');
  await t.rejects(
    readImage(store, without.resources, imageId),
    refusal('unsupported', { code: 'VOST_STAGE_MISSING', message: /vast-ost-stage-xor version 1\.2\.0/ }),
  );
});

t.test('after compression, behind another transform, with a tight budget', async (t) => {
  const store = await memoryLsu();
  const { resources, chain } = await load(t, general(`${fixture('xor')} ${fixture('bad')}`), 12 * MIB);
  const text = textBytes(6 * MIB);
  const stages = [resources.stages.configure('lz4', {}), ...chain.transforms];
  const options = { ...writerOptions(resources, 'a', { window: 2 * MIB }), stages };
  const { imageId } = await writeImage(store, resources, options, Buffer.concat([text, data]));
  t.ok((await readImage(store, resources, imageId)).equals(Buffer.concat([text, data])));
});

t.test('secrets are used, not kept, and those of now are used to read', async (t) => {
  const store = await memoryLsu();
  const dir = t.testdir({});
  const key = (name: string, byte: string): string => {
    writeFileSync(`${dir}/${name}`, byte, { mode: 0o600 });
    return `${fixture('xor')}:mask=7,key=file:${dir}/${name}`;
  };
  const first = await load(t, general(key('first', 'ACANARY')));
  const options = { ...writerOptions(first.resources, 'a'), stages: first.chain.transforms };
  const { imageId } = await writeImage(store, first.resources, options, data);
  for (const name of await keysOf(store)) {
    const bytes = await objectBytes(store, name);
    t.notOk(bytes.includes('CANARY') || bytes.includes(dir), name);
  }
  t.ok((await readImage(store, first.resources, imageId)).equals(data));
  const wrong = await load(t, general(key('wrong', 'B')));
  await t.rejects(
    readImage(store, wrong.resources, imageId),
    refusal('integrity', {
      code: 'VOST_STAGE_DECODE',
      message: /vast-ost-stage-xor, decode of chunk 0: .*another mask/,
    }),
  );
  process.env['VOST_TEST_KEY'] = 'A';
  const moved = await load(t, general(`${fixture('xor')}:key=env:VOST_TEST_KEY`));
  t.ok((await readImage(store, moved.resources, imageId)).equals(data), 'the key has another place by now');
  delete process.env['VOST_TEST_KEY'];
  const again = { ...writerOptions(moved.resources, 'b'), stages: moved.chain.transforms };
  await t.rejects(
    writeImage(store, moved.resources, again, data),
    refusal('credentials', { code: 'VOST_STAGE_SECRET', message: /the secret key is not in the environment/ }),
  );
});

t.test('what older versions wrote, and what newer ones did', async (t) => {
  const store = await memoryLsu();
  const { resources, chain } = await load(t, general(`${fixture('bad')}`));
  const options = { ...writerOptions(resources, 'a'), stages: chain.transforms };
  const { imageId } = await writeImage(store, resources, options, data);
  const key = `${imagePrefix(imageId)}${MANIFEST}`;
  const manifest = JSON.parse(String(await objectBytes(store, key)));
  const writtenBy = async (version: string, options: object = {}): Promise<Buffer> => {
    manifest.chain[1] = { ...manifest.chain[1], version, options };
    await store.put(key, [Buffer.from(JSON.stringify(manifest))]);
    return readImage(store, resources, imageId);
  };
  for (const version of ['2.1.9', '2.0.0', '1.7.3']) t.ok((await writtenBy(version)).equals(data), version);
  for (const version of ['2.2.0', '3.0.0', '0.9.0'])
    await t.rejects(writtenBy(version), refusal('unsupported', { code: 'VOST_STAGE_MISSING' }), version);
  await t.rejects(writtenBy('2.1.0', { level: 1 }), refusal('unsupported', { code: 'VOST_STAGE_OPTIONS' }));
  await t.rejects(
    writtenBy('2.1.0', { key: 'file:/etc/passwd' }),
    refusal('unsupported', { code: 'VOST_STAGE_OPTIONS', message: /the image's record has the secret key/ }),
  );
});
