import fs, { mkdirSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { imageIdOf } from '../../src/image/identity.ts';
import { imagePrefix, MANIFEST } from '../../src/image/names.ts';
import { imageHandles } from '../../src/ost/image-handles.ts';
import { SimState } from '../../src/sim/s3/state/sim-state.ts';
import { Bench } from './support/engine.ts';
import { ostHost } from './support/ost-host.ts';
import { Served } from './support/served.ts';

const IMAGES = 10_000;
const OBJECTS = [MANIFEST, 'index', 'fragment-000001'];
/** What NetBackup waits for; 100 ms is what it takes on a machine with nothing else to do. */
const SANE_MS = 2_000;

/** The keys of 10,000 complete images. What is in them is read by nobody here. */
const keys = Array.from({ length: IMAGES }, (_, n) =>
  imagePrefix(imageIdOf({ basename: `client_${n}_C1_F1`, date: '1700000000', full_name: 'policy', qualifiers: [] })),
);

/** Three polls of one process each, as NetBackup's poller makes them. */
async function polls(t: Test, place: Parameters<typeof ostHost>[0]): Promise<void> {
  const { code, said } = await ostHost(place, ['poll', '--count', '3', '--interval', '1']);
  t.equal(code, 0, said);
  const took = [...said.matchAll(/^poll \d+: all ([0-9.]+) ms$/gm)].map(([, ms]) => Number(ms));
  t.equal(took.length, 3);
  t.ok(Math.max(...took) < SANE_MS, `polls took ${took.join(', ')} ms`);
  const info = await ostHost(place, ['info']);
  t.equal(info.code, 0, info.said);
}

/** Note every listing of a directory that this process makes; the engine runs in it. */
function watchListings(t: Test): string[] {
  const listed: string[] = [];
  const { opendir, readdir } = fs.promises;
  const watched = (list: (...args: never[]) => unknown) =>
    function watch(...args: unknown[]) {
      listed.push(String(args[0]));
      return list(...(args as never[]));
    };
  Object.assign(fs.promises, { opendir: watched(opendir), readdir: watched(readdir) });
  syncBuiltinESMExports();
  t.teardown(() => {
    Object.assign(fs.promises, { opendir, readdir });
    syncBuiltinESMExports();
  });
  return listed;
}

t.test('a directory with 10,000 images is not listed for a poll', async (t) => {
  const bench = new Bench(t, { backend: imageHandles });
  const store = join(bench.folder, 'store');
  for (const key of keys) {
    mkdirSync(join(store, 'lsu', key), { recursive: true });
    writeFileSync(join(store, 'lsu', key, MANIFEST), 'x');
  }
  const listed = watchListings(t);
  await bench.start();
  await polls(t, bench);
  t.strictSame(listed, [store], 'only the LSUs were listed, once');
});

t.test('a bucket with 10,000 images is not listed for a poll', async (t) => {
  const served = await Served.prepare(t, {
    kind: 'simulator',
    fill: async (dir) => {
      const state = await SimState.open(dir);
      state.createBucket('lsu-many', 0, '');
      const plain = { size: 0, modified: 0, etag: 'x', segments: [], headers: {}, metadata: {}, tags: [] };
      const bucket = state.bucket('lsu-many');
      for (const key of keys) for (const name of OBJECTS) bucket.putObject({ key: `${key}${name}`, ...plain });
      await state.close();
    },
  });
  await served.start();
  const before = served.requests.length;
  await polls(t, served);
  const asked = served.requests.slice(before);
  // Once for all polls: the buckets, and for each of four whether it is there and what its label is.
  t.ok(asked.length > 0 && asked.length <= 9, `requests: ${asked.join()}`);
  t.notMatch(asked.join(), /ListObjects|Put|Create|Delete|Upload/, 'nothing listed, nothing made');
});
