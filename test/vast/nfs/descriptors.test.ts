import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { imageIdOf } from '../../../src/image/identity.ts';
import { FileStorage } from '../../../src/vast/nfs/storage.ts';
import type { ObjectStore } from '../../../src/vast/store.ts';
import { identity, MIB, randomBytes, readImage, testResources } from '../../image/support.ts';
import { orphans } from '../../support/orphans.ts';
import { promise } from '../../support/promise.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { Wire } from '../../support/wire.ts';

const CHILD = fileURLToPath(new URL('descriptors-child.ts', import.meta.url));

async function check(t: Test, url: string, store: ObjectStore, folder?: string): Promise<void> {
  const command = `ulimit -n 64; exec "${process.execPath}" "${CHILD}" "${url}"`;
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', command]);
  const results = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
  t.match(results, [
    { outcome: 'ok', held: 0 },
    { outcome: 'retryable', code: 'VOST_NO_DESCRIPTORS', advice: /LimitNOFILE/, held: 0 },
    { outcome: 'ok', held: 0 },
  ]);
  t.same(await orphans(store, folder), []);
  const resources = testResources(t);
  for (const name of ['before', 'during'])
    t.ok((await readImage(store, resources, imageIdOf(identity(name)))).equals(randomBytes(2 * MIB + 5)), name);
}

t.test('no descriptor is left: a directory', async (t) => {
  promise({
    row: 'limits',
    promise:
      'Without descriptors a backup fails as something to be tried again and says which limit to raise; with some again it goes well',
    fault: 'RLIMIT_NOFILE of 64, all of them taken: directory and S3',
  });
  const root = tempDir();
  mkdirSync(`${root}/lsu`);
  const storage = new FileStorage(root);
  t.teardown(() => storage.close());
  await check(t, `file:${root}`, await storage.open('lsu'), `${root}/lsu`);
});

t.test('no descriptor is left: S3', async (t) => {
  const wire = await Wire.start(t, 'http');
  await check(t, `s3:${wire.url}`, wire.clean);
});
