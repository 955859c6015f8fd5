/**
 * An image's whole life on a real server, through the built command line. REAL_STORES names one store or several
 * ways to the same one, separated by spaces: what is written through the first is read through the others.
 */
import t from 'tap';
import { bridge } from '../../src/bridge/bridge.ts';
import { findImage } from '../../src/image/catalog.ts';
import { copyImage } from '../../src/image/copy-image.ts';
import { createResources } from '../../src/pipeline/resources.ts';
import { builtInStages } from '../../src/stages/built-in.ts';
import { openStorage } from '../../src/vast/open-storage.ts';
import { jsonLines } from '../cli/support.ts';
import { Backup, imagesOf, keys, MIB, restoredDigest, setting, vastOst, WORK } from './support.ts';

const STORES = setting('REAL_STORES').split(' ');
const SIZE_MIB = Number(process.env['REAL_IMAGE_MIB'] ?? 300);
/** The n-th way to the store, going round. */
const via = (n: number): string => STORES[n % STORES.length] ?? '';
const lsu = `image-${process.pid}`;

/** What is stored under any key, and unfinished uploads. */
async function everything(): Promise<string[]> {
  const storage = open();
  try {
    const store = await storage.open(lsu);
    const keys = await Array.fromAsync(store.list(), ({ key }) => key);
    return [...keys, ...(await Array.fromAsync(store.listUploads(''), ({ key, id }) => `${key} ${id}`))];
  } finally {
    await storage.close();
  }
}

function open() {
  const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = keys();
  const tls = via(0).startsWith('s3:https:') ? { caFile: `${WORK}/tls/ca.pem` } : {};
  return openStorage(via(0), { s3: { credentials: { accessKeyId, secretAccessKey }, ...tls } });
}

for (const [image, options, mib] of [
  ['plain', ['--compression', 'none'], SIZE_MIB],
  ['packed', ['--compression', 'lz4'], Math.ceil(SIZE_MIB / 8)],
] as const) {
  t.test(`backup, list, verify, restore: ${image}, ${mib} MiB`, async (t) => {
    const backup = new Backup(via(0), lsu, image, options);
    await backup.feed(mib);
    const outcome = await backup.end();
    t.equal(outcome.code, 0, outcome.stderr);
    const [result] = jsonLines(outcome);
    t.match(result, { size: mib * MIB, retries: 0 });
    if (image === 'packed') t.ok(Number(result?.['stored']) < 0.8 * mib * MIB, 'it is compressed');
    t.match(
      (await imagesOf(via(1), lsu)).filter((entry) => entry['image_id'] === result?.['image_id']),
      [{ state: 'complete', size: mib * MIB }],
    );
    const verified = await vastOst(via(2), ['verify', lsu, image]);
    t.equal(verified.code, 0, verified.stderr);
    t.equal(await restoredDigest(via(1), lsu, image), outcome.sha256, 'bit for bit');
  });
}

t.test('a copy made by the store alone outlives its original', async (t) => {
  const storage = open();
  const resources = createResources(bridge, 64 * MIB, builtInStages());
  t.teardown(async () => {
    resources.slabs.close();
    await storage.close();
  });
  const store = await storage.open(lsu);
  const { imageId } = await findImage(store, 'plain');
  const identity = { basename: 'copy', date: '1', full_name: '', qualifiers: [] };
  await copyImage({ store, imageId }, { store, identity }, resources, { sameStorage: true });
  const before = await restoredDigest(via(1), lsu, 'plain');
  t.equal((await vastOst(via(2), ['delete', lsu, 'plain'])).code, 0);
  t.equal(await restoredDigest(via(0), lsu, 'copy'), before);
});

t.test('gc removes what a killed backup left, and nothing else', async (t) => {
  const backup = new Backup(via(0), lsu, 'killed');
  await backup.feed(Math.min(SIZE_MIB, 80));
  await backup.kill();
  t.match(
    (await imagesOf(via(1), lsu)).filter((entry) => entry['state'] === 'pending'),
    [{ identity: { basename: 'killed' } }],
  );
  const gc = await vastOst(via(2), ['gc', lsu, '--older-than', '0s', '--pending-older-than', '0s']);
  t.equal(gc.code, 0, gc.stderr);
  t.ok(jsonLines(gc).length > 0, 'something was found');
  t.same((await imagesOf(via(0), lsu)).map(({ state }) => state).sort(), ['complete', 'complete']);
  t.equal((await vastOst(via(1), ['verify', lsu])).code, 0, 'and both are whole');
});

t.test('delete leaves nothing behind', async (t) => {
  for (const image of ['copy', 'packed']) t.equal((await vastOst(via(0), ['delete', lsu, image])).code, 0);
  t.same(await everything(), []);
});
