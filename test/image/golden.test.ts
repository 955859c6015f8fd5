import { createHash } from 'node:crypto';
import { cp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { listImages } from '../../src/image/catalog.ts';
import { decodeFooter, encodeFooter, INDEX_HEADER } from '../../src/image/index-file.ts';
import { decodePage, encodePage } from '../../src/image/index-page.ts';
import { decodeManifest, encodeManifest } from '../../src/image/manifest.ts';
import { decodePending, encodePending } from '../../src/image/pending.ts';
import { openStorage } from '../../src/vast/open-storage.ts';
import { readImage, testResources } from './support.ts';

const GOLDEN = fileURLToPath(new URL('golden', import.meta.url));

t.test('golden images of version 1 are listed, read and equal to what they were made from', async (t) => {
  const resources = testResources(t);
  // A copy: a store is never opened on files of the repository.
  const dir = t.testdir({ lsu: {} });
  await cp(join(GOLDEN, 'netbackup'), join(dir, 'lsu', 'netbackup'), { recursive: true });
  const storage = openStorage(`file:${dir}`);
  t.teardown(() => storage.close());
  const store = await storage.open('lsu');
  const text = await readFile(join(GOLDEN, 'text.txt'));
  let seen = 0;
  for await (const entry of listImages(store)) {
    if (entry.state !== 'complete') throw new Error(`${entry.imageId} is ${entry.state}`);
    t.ok((await readImage(store, resources, entry.imageId)).equals(text));
    t.equal(entry.manifest.sha256, createHash('sha256').update(text).digest('hex'));
    seen += 1;
  }
  t.equal(seen, 2);
});

t.test('decoding and encoding a golden record gives the same bytes', async (t) => {
  for (const folder of await readdir(join(GOLDEN, 'netbackup'))) {
    const manifestBytes = await readFile(join(GOLDEN, 'netbackup', folder, 'image.meta'));
    const manifest = decodeManifest(manifestBytes, folder);
    t.ok(manifestBytes.equals(encodeManifest(manifest)), `${folder}: manifest`);
    const index = await readFile(join(GOLDEN, 'netbackup', folder, 'index'));
    t.equal(index.byteLength, manifest.index.size);
    const footerBytes = index.subarray(-manifest.index.footer);
    const footer = decodeFooter(footerBytes, manifest.index.sha256, folder);
    t.ok(footerBytes.equals(encodeFooter(footer)), `${folder}: footer`);
    const pages = footer.pages.map(({ position, length }) => index.subarray(position, position + length));
    for (const page of pages) t.ok(page.equals(encodePage(decodePage(page, folder))), `${folder}: page`);
    t.ok(index.equals(Buffer.concat([INDEX_HEADER, ...pages, footerBytes])), `${folder}: nothing else is in the index`);
  }
  const pendingBytes = await readFile(join(GOLDEN, 'pending'));
  t.ok(pendingBytes.equals(encodePending(decodePending(pendingBytes, 'pending'))), 'pending');
});
