import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { ImageReader } from '../../../src/image/image-reader.ts';
import { IndexWriter } from '../../../src/image/index-writer.ts';
import { decodeManifest, encodeManifest, type Manifest } from '../../../src/image/manifest.ts';
import { imagePrefix, MANIFEST } from '../../../src/image/names.ts';
import { createWriteHandle, reopenWriteHandle } from '../../../src/image/open-write-handle.ts';
import type { StoredChunk } from '../../../src/stages/packer.ts';
import type { ObjectStore } from '../../../src/vast/store.ts';
import { context, feed, layout, Slots, TUNING } from '../../image/handle-support.ts';
import {
  identity,
  keysOf,
  MIB,
  memoryLsu,
  objectBytes,
  randomBytes,
  readImage,
  writeImage,
  writerOptions,
} from '../../image/support.ts';
import { refusal } from '../../support/refusal.ts';
import { general, type Loaded, load } from '../../vendor-stages/support.ts';
import { keyRing, keyText, shipped, stageName } from './support.ts';

const ENCRYPT = stageName('encrypt');
const CANARY = 'the canary that nobody may see';
/** Whole chunks and a short one, all over with the canary. */
const data = Buffer.alloc(3 * MIB + 70_000, `${CANARY} `);

/** The stage with a key ring in a file. */
async function encrypting(t: Test, keys: Readonly<Record<string, number>>, options = ''): Promise<Loaded> {
  const file = `${t.testdir()}/keys`;
  writeFileSync(file, keyRing(keys), { mode: 0o600 });
  return load(t, general(`${shipped('encrypt')}:keys=file:${file}${options}`));
}

async function backup(store: ObjectStore, { resources, chain }: Loaded, name: string, bytes = data): Promise<string> {
  const options = { ...writerOptions(resources, name), stages: chain.transforms };
  return (await writeImage(store, resources, options, bytes)).imageId;
}

/** Put something else into an object. */
async function change(store: ObjectStore, key: string, how: (bytes: Buffer) => Uint8Array): Promise<void> {
  await store.put(key, [how(await objectBytes(store, key))]);
}

const DAMAGED = { code: 'VOST_STAGE_DECODE', message: new RegExp(`${ENCRYPT}, decode of chunk \\d: `) };
const digestsOf = (bytes: Buffer): Buffer[] =>
  [0, 1, 2, 3].map((at) =>
    createHash('sha256')
      .update(bytes.subarray(at * MIB, (at + 1) * MIB))
      .digest(),
  );

t.test('nothing of the image or of a key lies in storage, also while it is unfinished', async (t) => {
  const loaded = await encrypting(t, { first: 1 });
  const { resources, chain } = loaded;
  const nothing = async (store: ObjectStore, when: string): Promise<void> => {
    const keys = await keysOf(store);
    t.ok(keys.length > 0);
    for (const key of keys) {
      const bytes = await objectBytes(store, key);
      for (const secret of [CANARY, Buffer.alloc(32, 1), keyText(1), Buffer.alloc(32, 1).toString('base64')])
        t.notOk(bytes.includes(secret), `${key} ${when}`);
    }
  };
  const store = await memoryLsu();
  const imageId = await backup(store, loaded, 'whole');
  await nothing(store, 'of a complete image');
  t.ok((await readImage(store, resources, imageId)).equals(data));
  const range = { offset: MIB - 5, length: 10 };
  t.ok((await readImage(store, resources, imageId, range)).equals(data.subarray(MIB - 5, MIB + 5)));

  const second = await memoryLsu({ minPartBytes: 2 * MIB });
  const slots = new Slots(3);
  const about = { ...layout(resources, 'parts'), stages: chain.transforms };
  const handle = await createWriteHandle(context(second, resources), about);
  const half = MIB + 600;
  await feed(handle, slots, data.subarray(0, half));
  await handle.close('incomplete', half);
  t.match((await keysOf(second)).join(' '), /tail-000001/);
  await nothing(second, 'of an unfinished image');

  // Another engine, with another key for new images.
  const later = await encrypting(t, { later: 2, first: 1 });
  const next = await reopenWriteHandle(context(second, later.resources), identity('parts'), TUNING);
  const present = Buffer.alloc(MIB);
  t.equal(await next.present(1, present), 600);
  t.ok(present.subarray(0, 600).equals(data.subarray(MIB, half)));
  await feed(next, slots, data);
  t.ok(await next.close('complete', data.byteLength));
  await nothing(second, 'when it is complete');
  t.ok((await readImage(second, later.resources, next.imageId)).equals(data));
});

t.test('a kept chunk that was changed is refused', async (t) => {
  const { resources, chain } = await encrypting(t, { first: 1 });
  const store = await memoryLsu();
  const slots = new Slots(3);
  const handle = await createWriteHandle(context(store, resources), {
    ...layout(resources, 'tail'),
    stages: chain.transforms,
  });
  await feed(handle, slots, data.subarray(0, 600));
  await handle.close('incomplete', 600);
  await change(store, `${imagePrefix(handle.imageId)}tail-000001`, (bytes) => bytes.with(100, (bytes[100] ?? 0) ^ 1));
  const next = await reopenWriteHandle(context(store, resources), identity('tail'), TUNING);
  await t.rejects(next.present(0, Buffer.alloc(MIB)), refusal('integrity', DAMAGED));
  await next.close('abandon', 0);
});

t.test('a wrong key, a key that is missing, and rotation', async (t) => {
  const store = await memoryLsu();
  const old = await backup(store, await encrypting(t, { first: 1 }), 'old');
  const rotated = await encrypting(t, { second: 2, first: 1 });
  const recent = await backup(store, rotated, 'recent');
  for (const imageId of [old, recent]) t.ok((await readImage(store, rotated.resources, imageId)).equals(data));
  const manifest = async (imageId: string): Promise<Manifest> =>
    decodeManifest(await objectBytes(store, `${imagePrefix(imageId)}${MANIFEST}`), imageId);
  t.match((await manifest(old)).chain[1], { name: ENCRYPT, options: { recorded: { key: 'first' } } });
  t.match((await manifest(recent)).chain[1], {
    options: { recorded: { key: 'second' }, sealed: { size: data.length } },
  });

  const wrong = await encrypting(t, { first: 9 });
  const refused = (message: RegExp) => refusal('credentials', { code: 'VOST_STAGE_SECRET', message });
  await t.rejects(readImage(store, wrong.resources, old), refused(/the key first does not open this image/));
  await t.rejects(readImage(store, wrong.resources, recent), refused(/the key "second" is not in the key ring/));
  const none = await encrypting(t, { first: 1 }, ',key=third');
  await t.rejects(backup(store, none, 'none'), refused(/record: the key "third" is not in the key ring/));
});

t.test('swapped, repeated and foreign chunks', async (t) => {
  const loaded = await encrypting(t, { first: 1 });
  const store = await memoryLsu();
  // Chunks 0 and 1 are equal, so no digest of theirs would tell them apart.
  const equal = Buffer.concat([randomBytes(MIB), randomBytes(MIB), randomBytes(MIB, 'other')]);
  t.ok(digestsOf(equal)[0]?.equals(digestsOf(equal)[1] ?? Buffer.alloc(0)));
  const length = MIB + 29;
  const spoiled = async (name: string, how: (bytes: Buffer) => Uint8Array): Promise<void> => {
    const imageId = await backup(store, loaded, name, equal);
    await change(store, `${imagePrefix(imageId)}fragment-000001`, how);
    await t.rejects(readImage(store, loaded.resources, imageId), refusal('integrity', DAMAGED), name);
  };
  const chunk = (bytes: Buffer, at: number): Buffer => bytes.subarray(at * length, (at + 1) * length);
  await spoiled('swapped', (bytes) => Buffer.concat([chunk(bytes, 1), chunk(bytes, 0), chunk(bytes, 2)]));
  await spoiled('repeated', (bytes) => Buffer.concat([chunk(bytes, 0), chunk(bytes, 0), chunk(bytes, 2)]));
  const other = await objectBytes(store, `${imagePrefix(await backup(store, loaded, 'other', equal))}fragment-000001`);
  await spoiled('foreign', (bytes) => Buffer.concat([chunk(other, 0), chunk(bytes, 1), chunk(bytes, 2)]));
  await spoiled('flipped', (bytes) => bytes.with(77, (bytes[77] ?? 0) ^ 4));
});

t.test('an image that was cut by somebody who knows the format is refused', async (t) => {
  const loaded = await encrypting(t, { first: 1 });
  const { resources } = loaded;
  const store = await memoryLsu();
  for (const kept of [2, 0]) {
    const imageId = await backup(store, loaded, `cut-${kept}`);
    const prefix = imagePrefix(imageId);
    const reader = await ImageReader.open(store, resources, imageId);
    const chunks: StoredChunk[] = [];
    for await (const chunk of reader.chunks()) if (chunk.index < kept) chunks.push(chunk);
    // Manifest, index and fragment are all as they would be of a shorter image.
    const index = new IndexWriter(store, prefix);
    index.add(chunks, { fragment: 1, number: 1, size: 0, etag: '' });
    const { summary, write } = index.seal();
    await write();
    const manifest: Manifest = {
      ...reader.manifest,
      size: index.size,
      fragments: kept === 0 ? [] : [{ name: 'fragment-000001', size: index.stored }],
      checksum: `sha256-tree:${Buffer.from(index.root).toString('hex')}`,
      index: summary,
    };
    await store.put(`${prefix}${MANIFEST}`, [encodeManifest(manifest)]);
    await change(store, `${prefix}fragment-000001`, (bytes) => bytes.subarray(0, index.stored));
    await t.rejects(
      readImage(store, resources, imageId),
      refusal('integrity', { code: 'VOST_STAGE_DECODE', message: /but 3215728 when it was written: it was cut/ }),
      `${kept} chunks`,
    );
    const unsealed = structuredClone(manifest) as { chain: { options: { sealed?: unknown } }[] };
    delete unsealed.chain[1]?.options.sealed;
    await store.put(`${prefix}${MANIFEST}`, [encodeManifest(unsealed as unknown as Manifest)]);
    await t.rejects(
      readImage(store, resources, imageId),
      refusal('integrity', { code: 'VOST_STAGE_DECODE', message: /the seal of the image is missing/ }),
    );
  }
  t.ok(
    (await readImage(store, resources, await backup(store, loaded, 'empty', Buffer.alloc(0)))).equals(Buffer.alloc(0)),
  );
});

t.test('an unfinished image whose record says that its kept chunk was never encrypted', async (t) => {
  const { resources, chain } = await encrypting(t, { first: 1 });
  const store = await memoryLsu();
  const about = { ...layout(resources, 'plain'), stages: chain.transforms };
  const handle = await createWriteHandle(context(store, resources), about);
  await feed(handle, new Slots(3), data.subarray(0, 600));
  await handle.close('incomplete', 600);
  const prefix = imagePrefix(handle.imageId);
  // Somebody puts bytes of his own there, with the right digest.
  const forged = Buffer.alloc(600, 'x');
  await store.put(`${prefix}tail-000001`, [forged]);
  await change(store, `${prefix}pending`, (bytes) => {
    const pending = JSON.parse(String(bytes)) as { handle: { tail: { sha256: string; stored?: number } } };
    pending.handle.tail.sha256 = createHash('sha256').update(forged).digest('hex');
    delete pending.handle.tail.stored;
    return Buffer.from(JSON.stringify(pending));
  });
  const next = await reopenWriteHandle(context(store, resources), identity('plain'), TUNING);
  const refused = refusal('integrity', { message: /has not passed the stages that the image names/ });
  await t.rejects(next.present(0, Buffer.alloc(MIB)), refused);
  await next.close('abandon', 0);
});
