import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { bridge } from '../../src/bridge/bridge.ts';
import { parseIni } from '../../src/config/ini.ts';
import { buildSettings } from '../../src/config/settings.ts';
import { SCRUB_KEY, type ScrubState } from '../../src/image/scrub-state.ts';
import { METRIC_NAMES } from '../../src/metrics/definitions.ts';
import { EngineMetrics } from '../../src/metrics/engine-metrics.ts';
import { OstEngine } from '../../src/ost/engine.ts';
import { Lanes } from '../../src/ost/lanes/lanes.ts';
import { createResources } from '../../src/pipeline/resources.ts';
import { startS3Sim } from '../../src/sim/s3/s3-sim.ts';
import { builtInStages } from '../../src/stages/built-in.ts';
import { S3Storage } from '../../src/vast/s3/storage.ts';
import { noVendorStages } from '../../src/vendor-stages/vendor-stages.ts';
import { Host, imageId, refuses } from '../ost/support/host.ts';
import { ADMIN, cluster } from '../sim/support.ts';
import { until } from '../support/turns.ts';
import { bornLate, seriesOf } from './support.ts';

const MIB = 1024 * 1024;
const ELSEWHERE: ScrubState = {
  format: 'vast-ost-scrub',
  version: 1,
  round: { began: '2026-11-20T00:00:00.000Z', images: 7, bytes: 7, damaged: 0 },
  last: { began: '2026-11-01T00:00:00.000Z', ended: '2026-11-02T00:00:00.000Z', images: 9, bytes: 9, damaged: 1 },
  by: { name: 'another engine', until: '2099-01-01T00:00:00.000Z' },
};
const KEYS = { accessKey: 'METRICSKEY', secretKey: 'metrics/secret' };

interface Running {
  readonly engine: OstEngine;
  readonly host: Host;
  readonly scrape: () => Promise<ReadonlyMap<string, number>>;
  readonly text: () => Promise<string>;
  /** Before any host came. */
  readonly first: ReadonlyMap<string, number>;
  /** The next write is refused as if the storage were busy. */
  readonly failOnce: () => void;
}

/** An engine with a directory, a simulated S3 service and one with management, and a host that has the first two open as servers 1 and 2. */
async function start(t: Test): Promise<Running> {
  // Short: a socket's path has few characters.
  const dir = mkdtempSync(join(tmpdir(), 'vost-metrics-'));
  mkdirSync(join(dir, 'store', 'lsu'), { recursive: true });
  // Another media server is at it, for days.
  mkdirSync(join(dir, 'store', 'other', dirname(SCRUB_KEY)), { recursive: true });
  writeFileSync(join(dir, 'store', 'other', SCRUB_KEY), JSON.stringify(ELSEWHERE));
  let fail = false;
  const sim = await startS3Sim({
    dir: join(dir, 'sim'),
    ...KEYS,
    checksumMode: 'reject',
    onRequest: ({ operation }) => {
      if (!fail || !['UploadPart', 'PutObject'].includes(operation)) return undefined;
      fail = false;
      return { status: 503, code: 'SlowDown' };
    },
  });
  const { accessKey: accessKeyId, secretKey: secretAccessKey } = KEYS;
  const storage = new S3Storage(new URL(sim.url), { credentials: { accessKeyId, secretAccessKey } });
  await storage.createLsu('lsu-1');
  await storage.close();
  const keys = join(dir, 'keys');
  writeFileSync(keys, `access_key_id = ${accessKeyId}\nsecret_access_key = ${secretAccessKey}\n`, { mode: 0o600 });
  const vms = await cluster(t, { plain: false });
  const login = join(dir, 'login');
  writeFileSync(login, `user = ${ADMIN.username}\npassword = ${ADMIN.password}\n`, { mode: 0o600 });
  const socket = join(dir, 'socket');
  const text = `
[performance]
chunk_size_mb = 1
part_size_mb = 1
compression = lz4
[engine]
socket = ${socket}
state_dir = ${join(dir, 'state')}
[server test]
store = file:${join(dir, 'store')}
scrub_interval = 12h
[server s3]
store = s3:${sim.url}
s3_credentials_file = ${keys}
[server vast]
store = s3:${vms.urls[0]}
s3_credentials_file = ${keys}
vms = ${vms.vmsUrl}
vms_ca_file = ${vms.ca?.file}
vms_credentials_file = ${login}
`;
  const metrics = new EngineMetrics();
  const settings = buildSettings(parseIni(text, 'x.conf'));
  const resources = createResources(bridge, 64 * MIB, builtInStages());
  const log = pino({ level: 'silent' });
  const { observe } = metrics;
  const lanes = await Lanes.open({ settings, count: 1, budget: resources.budget, log, observe });
  const engine = await OstEngine.start({
    settings,
    bridge,
    resources,
    slotReserve: 64 * MIB,
    backend: lanes,
    stages: {
      ...noVendorStages,
      reported: () => [{ stage: 'watch', counts: { info: 0, warning: 2, error: 0 }, values: new Map([['seen', 7]]) }],
    },
    log,
    observe,
  });
  metrics.watch(engine);
  const first = seriesOf(await metrics.registry.text());
  const host = new Host({ slotBytes: 8 * MIB });
  t.teardown(async () => {
    await host.close();
    await engine.stop();
    await lanes.close();
    metrics.close();
    await sim.close();
    rmSync(dir, { recursive: true });
  });
  await host.connect(socket);
  await host.openServer();
  await host.openServer(2n, 'VastData:s3');
  return {
    engine,
    host,
    first,
    text: () => metrics.registry.text(),
    scrape: async () => seriesOf(await metrics.registry.text()),
    failOnce: () => {
      fail = true;
    },
  };
}

t.test('every metric of the table is told by an engine that has worked, and no other', async (t) => {
  const { engine, host, first, scrape, text, failOnce } = await start(t);
  const data = Buffer.alloc(3 * MIB + 512, 'vast-ost');
  await host.backup(1n, imageId('one'), data);
  t.ok((await host.restore(2n, imageId('one'))).equals(data));
  failOnce();
  await host.create(3n, imageId('two'), { server: 2n, lsu: 'lsu-1' });
  const { chunk_bytes: chunk } = await host.create(4n, imageId('three'), { server: 2n, lsu: 'lsu-1' });
  await host.write(4n, 0, 0, Buffer.alloc(chunk, 1));
  await host.write(4n, 1, 1, Buffer.alloc(chunk, 2));
  await host.ask('IMAGE_CLOSE', { handle: 4n, mode: 1, size: BigInt(2 * chunk) });
  await refuses(t, host.openRead(5n, imageId('none')), 'NOT_FOUND');
  await engine.services.servers.get('VastData:test').lsus();
  await engine.services.servers.get('VastData:test').capacity('lsu');
  const { cluster } = engine.services.servers.get('VastData:vast');
  await cluster?.settled();
  const { scrubs } = engine.services.servers.get('VastData:test');
  await until(() => scrubs?.lsus.get('lsu')?.ended !== undefined && scrubs.lsus.get('other')?.ended !== undefined);
  const told = await text();
  const families = [...told.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name]) => name);
  t.strictSame(families, [...METRIC_NAMES]);
  const fed = new Set([...seriesOf(told).keys()].map((series) => series.replace(/\{.*|(_bucket|_sum|_count)\b.*/, '')));
  // Nothing went wrong that the last of these would count, but it is told all the same.
  for (const name of METRIC_NAMES) t.ok(fed.has(name), `${name} has a value`);

  const series = await scrape();
  t.strictSame(bornLate(first, series), [], 'every counter was told as 0 before');
  const is = (name: string, value: number): unknown => t.equal(series.get(name), value, name);
  is('vast_ost_images_total{operation="write",result="complete"}', 2);
  is('vast_ost_images_total{operation="read",result="complete"}', 1);
  is('vast_ost_images_open{operation="write"}', 1);
  is('vast_ost_image_bytes_total{operation="write"}', data.byteLength + 2 * chunk);
  is('vast_ost_image_bytes_total{operation="read"}', data.byteLength);
  is('vast_ost_stage_bytes_total{stage="checksum",flow="backup",direction="in"}', data.byteLength + 2 * chunk);
  is('vast_ost_stage_bytes_total{stage="checksum-inverse",flow="restore",direction="out"}', data.byteLength);
  is('vast_ost_retries_total{service="s3",reason="VOST_STORE_UNAVAILABLE"}', 1);
  is('vast_ost_checksum_mismatches_total{place="image"}', 0);
  is('vast_ost_sessions', 1);
  is('vast_ost_handles', 1);
  is('vast_ost_host_errors_total{result="NOT_FOUND"}', 1);
  is('vast_ost_images_total{operation="copy",result="failed"}', 0);
  is('vast_ost_vms_failing{server="vast"}', 0);
  is('vast_ost_scrub_interval_seconds{server="test"}', 12 * 3600);
  is('vast_ost_scrub_images_total{server="test",lsu="other",result="damaged"}', 0);
  is(
    'vast_ost_scrub_last_complete_timestamp_seconds{server="test",lsu="other"}',
    Date.parse('2026-11-02T00:00:00Z') / 1000,
  );
  is(
    'vast_ost_scrub_round_began_timestamp_seconds{server="test",lsu="other"}',
    Date.parse('2026-11-20T00:00:00Z') / 1000,
  );
  t.notOk(series.has('vast_ost_scrub_round_began_timestamp_seconds{server="test",lsu="lsu"}'), 'it has ended');
  t.notOk(series.has('vast_ost_scrub_interval_seconds{server="s3"}'), 'it has no scrub_interval');
  is('vast_ost_rotation_failing{server="vast",what="token"}', 0);
  is('vast_ost_parts_limit', 4);
  is('vast_ost_stage_reports_total{stage="watch",severity="warning"}', 2);
  is('vast_ost_stage_reported{stage="watch",name="seen"}', 7);
  t.ok((series.get('vast_ost_lsu_size_bytes{server="test",lsu="lsu"}') ?? 0) > 0);
  t.ok((series.get('vast_ost_stage_busy_seconds_total{stage="part-uploader",flow="backup"}') ?? 0) > 0);
  const out = (stage: string) =>
    series.get(`vast_ost_stage_bytes_total{stage="${stage}",flow="backup",direction="out"}`) ?? Number.NaN;
  t.ok(out('lz4') < data.byteLength, 'compressed');
  t.equal(
    out('part-uploader'),
    series.get('vast_ost_stage_bytes_total{stage="part-uploader",flow="backup",direction="in"}'),
  );
});

t.test('what becomes of chunks that are compressed if that is worth it', async (t) => {
  const { host, scrape } = await start(t);
  await host.ask('CONFIG_SET', { server: 1n, text: Buffer.from('compression = auto\n') });
  const data = Buffer.alloc(3 * MIB + 512, 'vast-ost');
  await host.backup(1n, imageId('one'), data);
  t.ok((await host.restore(2n, imageId('one'))).equals(data));
  const series = await scrape();
  const of = (outcome: string) => series.get(`vast_ost_compression_chunks_total{outcome="${outcome}"}`) ?? Number.NaN;
  t.equal(of('unneeded'), 4, 'nothing was known of the storage yet');
  t.equal(of('compressed') + of('incompressible'), 0);
});

t.test('what becomes of images', async (t) => {
  const { engine, host, first, scrape } = await start(t);
  const close = (handle: bigint, mode: number) => host.ask('IMAGE_CLOSE', { handle, mode, size: 0n });
  await host.create(1n, imageId('incomplete'));
  await close(1n, 2);
  await host.create(2n, imageId('abandoned'));
  await close(2n, 3);
  await host.create(3n, imageId('failed'));
  await refuses(t, host.ask('IMAGE_CLOSE', { handle: 3n, mode: 1, size: BigInt(MIB) }), 'INVALID');
  await host.backup(4n, imageId('gone'), Buffer.alloc(512));
  await host.ask('IMAGE_DELETE', { server: 1n, lsu: 'lsu', id: imageId('gone'), flags: 0 });
  await host.create(5n, imageId('detached'));
  t.equal((await scrape()).get('vast_ost_slots{state="filling"}'), 0);
  await host.ask('SLOT_WANT', { handle: 5n, chunk: 0n, slot: 0 });
  t.equal((await scrape()).get('vast_ost_slots{state="filling"}'), 1);
  await host.disconnect();
  const { images } = engine.services.counters;
  await until(() => images.ended.get('write')?.has('detached') === true);
  const series = await scrape();
  t.strictSame(bornLate(first, series), [], 'every counter was told as 0 before');
  for (const result of ['incomplete', 'abandoned', 'failed', 'complete', 'detached'])
    t.equal(series.get(`vast_ost_images_total{operation="write",result="${result}"}`), 1, result);
  t.equal(series.get('vast_ost_images_total{operation="delete",result="complete"}'), 1);
  t.equal(series.get('vast_ost_slots{state="filling"}'), 0);
  t.notOk(series.has('vast_ost_last_success_timestamp_seconds{operation="read"}'));
});
