/** What a real NFS server does with copies and without space. Runs where the kernel's own server is: in test/real/uml. */
import { execFile } from 'node:child_process';
import { readdir, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import t from 'tap';
import { bridge } from '../../src/bridge/bridge.ts';
import { findImage } from '../../src/image/catalog.ts';
import { copyImage } from '../../src/image/copy-image.ts';
import { createResources } from '../../src/pipeline/resources.ts';
import { builtInStages } from '../../src/stages/built-in.ts';
import { FileStorage } from '../../src/vast/nfs/storage.ts';
import { Backup, errorOf, imagesOf, MIB, restoredDigest, setting } from './support.ts';

const EXPORT = setting('EXPORT_DIR');
const V42 = setting('NFS_V42');

interface Traffic {
  /** Bytes that went to the server in WRITE calls. */
  readonly written: number;
  /** CLONE calls. */
  readonly clones: number;
}

/** What the client counted for a mount: mountstats, whose sixth count of bytes is what was written to the server. */
async function traffic(mount: string): Promise<Traffic> {
  const all = await readFile('/proc/self/mountstats', 'utf8');
  const own = all.split(/^device /m).find((text) => text.includes(` mounted on ${mount} `)) ?? '';
  const number = (pattern: RegExp): number => Number(pattern.exec(own)?.[1] ?? Number.NaN);
  return { written: number(/^\s*bytes:\s+(?:\d+\s+){5}(\d+)/m), clones: number(/^\s*CLONE: (\d+)/m) };
}

/**
 * Leave 60 MiB. Space that nothing shows as free comes back when XFS gets to it or runs out: what it reserved behind files
 * that grew, and deleted files that the server still holds open. So all of it is asked for, and looked at until it stays.
 */
async function fill(filler: string): Promise<void> {
  const run = promisify(execFile);
  const probe = `${filler}-probe`;
  let size = 0;
  for (let quiet = 0; quiet < 5; quiet += 1) {
    await writeFile('/proc/sys/vm/drop_caches', '2');
    const all = await statfs(EXPORT);
    await t.rejects(run('fallocate', ['-l', String(all.blocks * all.bsize), probe]), /No space left/);
    await rm(probe);
    await run('sync', ['-f', EXPORT]);
    const { bavail, bsize } = await statfs(EXPORT);
    const more = bavail * bsize - 60 * MIB;
    if (more > MIB) {
      await run('fallocate', ['-o', String(size), '-l', String(more), filler]);
      size += more;
      quiet = 0;
    }
    await delay(400);
  }
}

t.test('a copy on NFS 4.2 moves no bytes', async (t) => {
  const lsu = `reflink-${process.pid}`;
  const backup = new Backup(`file:${V42}`, lsu, 'source');
  await backup.feed(100);
  const outcome = await backup.end();
  t.equal(outcome.code, 0, outcome.stderr);
  const storage = new FileStorage(V42);
  const resources = createResources(bridge, 64 * MIB, builtInStages());
  t.teardown(async () => {
    resources.slabs.close();
    await storage.close();
  });
  const store = await storage.open(lsu);
  const { imageId } = await findImage(store, 'source');
  const free = async (): Promise<number> => {
    const { bavail, bsize } = await statfs(EXPORT);
    return bavail * bsize;
  };
  const before = { ...(await traffic(V42)), free: await free() };
  const identity = { basename: 'copy', date: '1', full_name: '', qualifiers: [] };
  await copyImage({ store, imageId }, { store, identity }, resources, { sameStorage: true });
  const after = { ...(await traffic(V42)), free: await free() };
  t.ok(before.written > 100 * MIB, 'the client counts what it writes');
  t.ok(after.written - before.written < MIB, `${after.written - before.written} bytes were written`);
  t.ok(after.clones > before.clones, 'the server cloned');
  t.ok(before.free - after.free < 10 * MIB, `${before.free - after.free} bytes were taken`);
  t.equal(await restoredDigest(`file:${V42}`, lsu, 'copy'), outcome.sha256);
});

for (const mount of ['NFS_V3', 'NFS_V41', 'NFS_V42']) {
  t.test(`the export is full: ${mount}`, async (t) => {
    const root = setting(mount);
    const url = `file:${root}`;
    const lsu = `full-${mount.replace('NFS_', '').toLowerCase()}-${process.pid}`;
    const filler = join(EXPORT, `filler-${lsu}`);
    try {
      await fill(filler);
      const backup = new Backup(url, lsu, `full-${mount}`);
      await backup.feed(150);
      const outcome = await backup.end();
      t.equal(outcome.code, 6, outcome.stderr);
      t.match(errorOf(outcome), { code: 'VOST_NO_SPACE', failure: 'capacity', advice: /space/ });
      t.same(await imagesOf(url, lsu), [], 'no image, whole or unfinished');
      t.same(await readdir(join(EXPORT, lsu), { recursive: true }), [], 'and no file');
    } finally {
      await rm(filler);
    }
    const again = new Backup(url, lsu, `full-${mount}`);
    await again.feed(20);
    const outcome = await again.end();
    t.equal(outcome.code, 0, outcome.stderr);
  });
}
