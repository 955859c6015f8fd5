import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { openStorage } from '../../src/vast/open-storage.ts';
import { MIB, randomBytes, testResources, textBytes, writeImage, writerOptions } from './support.ts';

const READER = fileURLToPath(new URL('stranger.py', import.meta.url));

t.test('a reader written from the format description alone agrees with us', async (t) => {
  const resources = testResources(t);
  const dir = t.testdir({});
  const storage = openStorage(`file:${dir}`);
  t.teardown(() => storage.close());
  await storage.createLsu('lsu');
  const store = await storage.open('lsu');
  const data = Buffer.concat([randomBytes(2 * MIB + 17), textBytes(3 * MIB)]);
  const lz4 = spawnSync('lz4', ['--version']).status === 0;
  if (!lz4) t.comment('lz4 is not installed: compressed images are left out');
  for (const compress of lz4 ? [false, true] : [false]) {
    const name = compress ? 'Ünïcode / and: more' : 'plain';
    await writeImage(store, resources, writerOptions(resources, name, { compress, partBytes: 2 * MIB }), data);
  }
  await writeImage(store, resources, writerOptions(resources, 'empty'), Buffer.alloc(0));
  const images = join(dir, 'lsu', 'netbackup');
  for (const id of readdirSync(images)) {
    const outcome = spawnSync('python3', [READER, join(images, id)], { maxBuffer: 64 * MIB });
    t.equal(outcome.status, 0, `${id}: ${String(outcome.stderr)}`);
    t.ok(outcome.stdout.equals(id.startsWith('empty') ? Buffer.alloc(0) : data), id);
  }
});
