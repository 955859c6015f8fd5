import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { parseIni } from '../../src/config/ini.ts';
import { buildSettings } from '../../src/config/settings.ts';
import { ServerRegistry } from '../../src/ost/server-registry.ts';
import type { Cluster } from '../../src/sim/cluster.ts';
import type { LogEntry } from '../../src/sim/faults/event-log.ts';
import { S3Storage } from '../../src/vast/s3/storage.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import type { VipPoolSnapshot } from '../../src/vast/vip-pool/vip-pool.ts';
import { FACT_CALLS } from '../../src/vast/vms/facts.ts';
import { MIB, randomBytes, readImage, testResources, writeImage, writerOptions } from '../image/support.ts';
import { ADMIN, cluster as startSim } from '../sim/support.ts';
import { tempDir } from '../support/temp-dir.ts';

const IMAGES = 64;
const VIPS = 4;
const PER_VIP = 8;
const VMS_MS = 20_000;
/** What comes back when a token has ended: how often in a storm at least. */
const LOGINS = 2;
const PART_BYTES = 5 * MIB;
const SMALL_BYTES = 64 * 1024;
const data = randomBytes(PART_BYTES + MIB / 2 + 3, 'cluster storm');
/** Every eighth image is one of several parts; the others are there to be many. */
const dataOf = (number: number): Buffer => (number % 8 === 0 ? data : data.subarray(0, SMALL_BYTES + number));
/** One image begins in each period of the storm, and every fourth period another VIP fails. */
const PERIOD_MS = 1000;
const WAYS = ['refuse', 'reset', 'hang'] as const;
/** Where one of the VIPs moves to, amid the storm. */
const MOVED_TO = '127.0.1.77';

interface Site {
  readonly sim: Cluster;
  readonly store: ObjectStore;
  readonly capacity: () => Promise<unknown>;
  readonly pool: () => VipPoolSnapshot;
  readonly write: (name: string, bytes: Buffer) => Promise<string>;
  readonly read: (imageId: string) => Promise<Buffer>;
}

async function start(t: Test): Promise<Site> {
  const sim = await startSim(t, { plain: false, vips: VIPS, dir: tempDir(), minPartBytes: PART_BYTES });
  const dir = tempDir();
  const { accessKey: accessKeyId, secretKey: secretAccessKey } = sim.credentials;
  const caFile = sim.ca?.file ?? '';
  const secret = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text, { mode: 0o600 });
    return join(dir, name);
  };
  const admin = new S3Storage(new URL(sim.tlsUrls[0] ?? ''), {
    caFile,
    credentials: { accessKeyId, secretAccessKey },
  });
  await admin.createLsu('nbu');
  await admin.close();
  const config = `
[engine]
state_dir = ${dir}
[server prod]
store = s3:${sim.tlsUrls[0]}
s3_ca_file = ${caFile}
s3_credentials_file = ${secret('keys', `access_key_id = ${accessKeyId}\nsecret_access_key = ${secretAccessKey}\n`)}
connections_per_vip = ${PER_VIP}
vms = ${sim.vmsUrl}
vms_ca_file = ${caFile}
vms_credentials_file = ${secret('vms', `user = ${ADMIN.username}\npassword = ${ADMIN.password}\n`)}
vip_pool = main
event_interval = 1s
rotate_hours = 0
`;
  await sim.act({ do: 'token-lifetime', access: '2' });
  const registry = await ServerRegistry.open(buildSettings(parseIni(config, 'x.conf')), pino({ level: 'silent' }));
  t.teardown(() => registry.close());
  const server = registry.get('VastData:prod');
  const { storage } = server;
  if (!(storage instanceof S3Storage)) throw new Error('the storage is S3');
  const store = await server.open('nbu');
  const resources = testResources(t, 512 * MIB);
  const options = (name: string) => writerOptions(resources, name, { partBytes: PART_BYTES });
  return {
    sim,
    store,
    capacity: () => server.capacity('nbu'),
    pool: () => storage.vips(),
    write: async (name, bytes) => (await writeImage(store, resources, options(name), bytes, MIB)).imageId,
    read: (imageId) => readImage(store, resources, imageId),
  };
}

/** What VMS was asked: each request meets the delay when it comes in, also one whose answer nobody waits for any more. */
class VmsLog {
  readonly #sim: Cluster;

  constructor(sim: Cluster) {
    this.#sim = sim;
  }

  get entries(): readonly LogEntry[] {
    return this.#sim.log.entries().filter(({ where }) => where === 'vms');
  }

  /** How many requests for something below these paths came and met a delay of so long; refused ones among them. */
  asked(ms: number, paths: readonly string[]): number {
    return this.#delayed(ms, paths).length;
  }

  /** Requests whose token had ended. */
  get refused(): number {
    return this.entries.filter(({ event, status }) => event === 'request' && status === 403).length;
  }

  /** New tokens given out. */
  get renewed(): number {
    return this.entries.filter((one) => one.event === 'request' && one['path'] === '/token/refresh/').length;
  }

  /** Logins that came while another one was waiting for its answer. */
  get overlapping(): number {
    const logins = this.#delayed(VMS_MS, ['/token/']).map(({ time }) => Date.parse(time));
    return logins.filter((at, index) => index > 0 && at - (logins[index - 1] ?? 0) < VMS_MS - 100).length;
  }

  #delayed(ms: number, paths: readonly string[]): LogEntry[] {
    return this.entries.filter(
      ({ event, path, effect }) =>
        event === 'fault' && (effect as { ms: number }).ms === ms && paths.some((one) => String(path).startsWith(one)),
    );
  }
}

const healthy = ({ vips }: VipPoolSnapshot): boolean => vips.every(({ state }) => state === 'healthy');
const places = ({ vips }: VipPoolSnapshot): number =>
  vips.reduce((sum, { state, window }) => sum + (state === 'healthy' ? window : 0), 0);

/** What a server of the configuration does while its cluster falls apart around it. */
t.test('64 images while VIPs fail one after another, tokens end every 2 s and VMS takes 20 s', async (t) => {
  const opened = performance.now();
  const { sim, store, pool, write, read, capacity } = await start(t);
  const vms = new VmsLog(sim);
  const slow = (ms: number) => sim.faults.apply({ rules: [{ where: 'vms', effect: { kind: 'delay', ms } }] });
  slow(0);
  await write('calm', data);
  const figures = ['/quotas/', '/views/', '/clusters/', '/vippools/'];
  const before = vms.asked(0, figures);
  await Promise.all(Array.from({ length: 8 }, (_, at) => write(`calm-${at}`, dataOf(at))));
  // Three requests for figures a minute, whatever happens.
  const minutes = Math.floor((performance.now() - opened) / 60_000);
  t.ok(vms.asked(0, figures) - before <= FACT_CALLS * minutes, 'images alone ask VMS for nothing');
  t.equal(places(pool()), VIPS * PER_VIP, 'all places are open');

  slow(VMS_MS);
  const renewedBefore = vms.renewed;
  const refusedBefore = vms.refused;
  const begun = performance.now();
  const addresses = sim.urls.map((url) => new URL(url).hostname);
  const writing: Promise<string>[] = [];
  let broken = 0;
  let fewest = Number.POSITIVE_INFINITY;
  const fail = async (): Promise<void> => {
    const [well, ill] = [addresses[broken % VIPS], addresses[(broken + 1) % VIPS]];
    broken += 1;
    if (well !== undefined) await sim.act({ do: 'vip-up', vip: well });
    if (ill !== undefined) await sim.act({ do: 'vip-down', vip: ill, how: WAYS[broken % WAYS.length] ?? 'refuse' });
  };
  for (let period = 0; period < IMAGES || vms.renewed - renewedBefore < LOGINS; period += 1) {
    if (period % 4 === 0) await fail();
    if (period === 8) {
      await sim.act({ do: 'vip-move', from: addresses[3] ?? '', to: MOVED_TO });
      addresses[3] = MOVED_TO;
    }
    // The token has ended between any two of these.
    if (period < IMAGES) {
      const image = write(`storm-${period}`, dataOf(period));
      // Heard of below.
      image.catch(() => undefined);
      writing.push(image);
    }
    await capacity();
    await delay(PERIOD_MS);
    fewest = Math.min(fewest, places(pool()));
  }
  const images = await Promise.all(writing);
  t.equal(new Set(images).size, IMAGES, 'no image failed');
  t.ok(broken >= 2 * VIPS, 'every VIP has failed, and more than once');
  t.ok(fewest < VIPS * PER_VIP, `the pool was down to ${fewest} places of ${VIPS * PER_VIP}`);

  // Who asks VMS, each for one thing at a time: the pool, the figures, the events, and the logins of all of them.
  const rounds = 1 + (performance.now() - begun) / VMS_MS;
  const since = (paths: readonly string[]): number => vms.asked(VMS_MS, paths);
  const renewed = vms.renewed - renewedBefore;
  t.ok(renewed >= LOGINS, `${renewed} new tokens`);
  t.ok(vms.refused - refusedBefore >= renewed, 'each because VMS refused the old one');
  t.equal(vms.overlapping, 0, 'one login at a time');
  // A request that is refused comes twice.
  for (const paths of [['/vippools/'], ['/quotas/', '/views/', '/clusters/'], ['/events/', '/alarms/']]) {
    t.ok(since(paths) <= 2 * rounds, `${since(paths)} requests for ${paths} in ${rounds.toFixed(1)} rounds`);
  }
  t.ok(since(['/']) <= 7 * rounds, `${since(['/'])} requests to VMS at all`);
  t.ok(since(['/vippools/']) >= 1, 'the VIPs were looked up again');

  for (const vip of addresses) await sim.act({ do: 'vip-up', vip });
  const named = () =>
    pool()
      .vips.map(({ vip }) => vip.split(':')[0])
      .sort();
  while (!healthy(pool()) || !named().includes(MOVED_TO)) {
    // Requests make the pool look.
    await store.head('nothing');
    await delay(50);
  }
  t.same(named(), addresses.slice().sort(), 'the VIP that moved is where VMS says');
  // Each place that a VIP gets back takes a request that went well.
  const carried = (): number[] => pool().vips.map(({ requests }) => requests);
  const atRest = carried();
  let batches = 0;
  for (; places(pool()) < VIPS * PER_VIP && batches < 8; batches += 1) {
    await Promise.all(Array.from({ length: 8 }, (_, at) => write(`after-${batches}-${at}`, dataOf(at))));
  }
  t.equal(places(pool()), VIPS * PER_VIP, `all places are open again after ${batches} times 8 images`);
  t.ok(
    carried().every((count, at) => count > (atRest[at] ?? 0)),
    'every VIP carries requests',
  );
  t.equal(pool().lookupError, undefined);
  for (const [at, image] of images.entries()) t.ok((await read(image)).equals(dataOf(at)), 'bit for bit');
});
