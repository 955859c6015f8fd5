import t, { type Test } from 'tap';
import type { RetryEvent } from '../../src/vast/retry.ts';
import { S3Storage } from '../../src/vast/s3/storage.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { promise } from '../support/promise.ts';
import { type FarmVip, VipFarm } from '../support/vip-farm.ts';
import { MIB, randomBytes, readImage, testResources, writeImage, writerOptions } from './support.ts';

const IMAGES = 64;
const VIPS = 8;
const PER_VIP = 4;
/** Busiest to idlest VIP, in requests, when all are well. */
const MAX_SPREAD = 1.5;

/** Time that a request seems to take, so that lookups become due; milliseconds. */
const STRIDE_MS = 30;
let ahead = 0;
const real = performance.now.bind(performance);
t.intercept(performance, 'now', { value: () => real() + ahead });

const PART_BYTES = 5 * MIB;
/** Two parts: S3's smallest, and the rest. */
const large = randomBytes(PART_BYTES + MIB / 4 + 5, 'storm');
const small = large.subarray(0, 100_000);
const resources = testResources(t, 1024 * MIB);

async function writeAll(store: ObjectStore, name: string, data: Buffer, images = IMAGES): Promise<string[]> {
  const one = async (_: unknown, at: number): Promise<string> => {
    const options = writerOptions(resources, `${name}-${at}`, { partBytes: PART_BYTES });
    return (await writeImage(store, resources, options, data, MIB)).imageId;
  };
  return Promise.all(Array.from({ length: images }, one));
}

function evenly(t: Test, farm: VipFarm): void {
  const spread = farm.spread('requests');
  t.ok(spread <= MAX_SPREAD, `busiest to idlest VIP: ${spread.toFixed(2)}`);
}

async function checkAll(t: Test, store: ObjectStore, images: readonly string[], data: Buffer): Promise<void> {
  let bad = 0;
  for (const image of images) if (!(await readImage(store, resources, image)).equals(data)) bad += 1;
  t.equal(bad, 0, `all ${images.length} images come back bit for bit`);
}

t.test('64 images while VIPs fail, one after another and together, move and come back', async (t) => {
  promise({
    row: '13',
    promise: '64 backups go on while VIPs fail, move and come back',
    fault: 'VIPs that stop, hang, reset, throttle, truncate',
  });
  const script = new Map<number, (vips: readonly FarmVip[]) => unknown>();
  let mostInFlight = 0;
  const farm = await VipFarm.start(t, {
    count: VIPS,
    subnet: 71,
    onRequest: (number) => {
      ahead += STRIDE_MS;
      for (const { inFlight } of storage.vips().vips) mostInFlight = Math.max(mostInFlight, inFlight);
      const at = number - scriptFrom;
      script.get(at)?.(farm.vips);
      script.delete(at);
    },
  });
  let scriptFrom = Number.POSITIVE_INFINITY;
  const retries: RetryEvent[] = [];
  const storage = new S3Storage(new URL('http://s3.vast.test'), {
    credentials: farm.credentials,
    vips: farm.source(5_000),
    wireIntegrity: 'none',
    connections: PER_VIP,
    idleTimeoutMs: 3_000,
    policy: { retries: 10, baseMs: 20, capMs: 200 },
    onRetry: (event) => retries.push(event),
  });
  t.teardown(() => storage.close());
  await storage.createLsu('lsu');
  const store = await storage.open('lsu');

  farm.restartCounts();
  const calm = await writeAll(store, 'calm', small, IMAGES / 2);
  t.same(retries, []);
  evenly(t, farm);

  const set = (at: number, mode: FarmVip['mode']) => (vips: readonly FarmVip[]) => {
    for (const vip of vips.slice(at, at + 1)) vip.mode = mode;
  };
  script
    .set(20, (vips) => vips[0]?.stop())
    .set(60, set(1, 'hang'))
    .set(100, set(2, 'reset'))
    .set(140, set(3, 'busy'))
    .set(180, set(4, 'truncate'))
    .set(200, (vips) => vips[0]?.start())
    .set(220, (vips) => vips.map((vip) => vip.up && vip.mode === 'ok' && vip.stop()))
    .set(221, (vips) => vips.map((vip) => vip.up || vip.start()))
    .set(260, () => (farm.members = farm.vips.slice(3)))
    .set(300, set(3, 'ok'))
    .set(320, set(5, 'hang'))
    .set(380, (vips) => vips.map((vip) => (vip.mode = 'ok')))
    .set(420, () => (farm.members = farm.vips));
  scriptFrom = farm.vips.reduce((sum, vip) => sum + vip.requests, 0) + 2;
  const { asked } = farm;
  const stormy = await writeAll(store, 'stormy', large);
  const failed = storage.vips().vips.reduce((sum, vip) => sum + vip.failures, 0);
  t.ok(retries.length > 0 && failed > 0, `${failed} requests failed, ${retries.length} were repeated`);
  t.equal(script.size, 0, 'the whole script was played');
  const codes = new Set(retries.map(({ error }) => error.details['socketCode'] ?? error.details['httpStatus']));
  for (const code of ['ETIMEDOUT', 'ECONNREFUSED', 503]) t.ok(codes.has(code), `requests met ${code}`);
  t.ok(farm.asked > asked, 'the VIPs were looked up again');

  for (const vip of farm.vips) vip.mode = 'ok';
  // Every fourth: all of them were counted, and their sizes compared, when they were committed.
  const some = stormy.filter((_, at) => at % 4 === 0);
  await checkAll(t, store, some, large);
  const unwell = (): boolean => storage.vips().vips.filter(({ state }) => state === 'healthy').length < VIPS;
  while (unwell()) {
    await store.head('nothing');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }

  // Which VIPs were slow in the storm is forgotten with time.
  ahead += 240_000;
  farm.restartCounts();
  retries.length = 0;
  const after = await writeAll(store, 'after', small, IMAGES / 2);
  t.same(retries, []);
  evenly(t, farm);
  await checkAll(t, store, [...calm, ...after], small);
  t.ok(mostInFlight <= PER_VIP, `at most ${mostInFlight} requests at one VIP`);
  t.ok(storage.vips().vips.every(({ inFlight }) => inFlight === 0));
});
