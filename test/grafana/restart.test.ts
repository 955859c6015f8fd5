import { fileURLToPath } from 'node:url';
import t from 'tap';
import { request } from 'undici';
import { bornLate, metricsPort, seriesOf } from '../metrics/support.ts';
import { Host, imageId, refuses } from '../ost/support/host.ts';
import { Served } from '../ost/support/served.ts';
import { unitTest, withoutPromtool } from './promtool.ts';

const RULES = fileURLToPath(new URL('../../grafana/prometheus/vast-ost.rules.yml', import.meta.url));
const MIB = 1024 * 1024;
/** Scrapes between two that see something new: as many as a real Prometheus would have. */
const REPEATS = 8;
/** What Prometheus makes of the edges of a window. */
const TOLERANCE = 0.05;

/** Samples in promtool's notation; a scrape that lacks the series is a gap. */
function samples(scrapes: readonly ReadonlyMap<string, number>[], name: string): string {
  return scrapes
    .map((scrape) =>
      Array<string>(REPEATS)
        .fill(String(scrape.get(name) ?? '_'))
        .join(' '),
    )
    .join(' ');
}

t.test('rates are right when the engine is killed and begins anew', { skip: withoutPromtool }, async (t) => {
  const served = await Served.prepare(t, { metrics: 'listen = 127.0.0.1:0' });
  const host = new Host();
  t.teardown(() => host.close());
  const scrapes: ReadonlyMap<string, number>[] = [];
  /** Of both lives. */
  const totals = new Map<string, number>();
  const scrape = async (): Promise<void> => {
    const { body } = await request(`http://127.0.0.1:${await metricsPort(served)}/metrics`);
    scrapes.push(seriesOf(await body.text()));
  };
  // The second life does more than the first: only the gap and the fall to 0 tell that it is another one.
  for (const [life, images] of [2, 3].entries()) {
    await served.start();
    await scrape();
    const first = scrapes.at(-1) ?? new Map();
    await host.connect(served.socket);
    await host.openServer();
    for (let image = 1; image <= images; image += 1) {
      const id = imageId(`image-${life}-${image}`);
      await host.backup(BigInt(10 * life + image), id, Buffer.alloc(2 * MIB, life + 1), 'lsu-1');
      await refuses(t, host.openRead(100n, imageId('none'), 'lsu-1'), 'NOT_FOUND');
      await scrape();
    }
    const last = scrapes.at(-1) ?? new Map();
    t.strictSame(bornLate(first, last), [], 'what counts was told as 0 before');
    for (const [series, value] of last) totals.set(series, (totals.get(series) ?? 0) + value);
    await served.kill();
    scrapes.push(new Map());
    await host.disconnect();
  }
  const labels = 'operation="write",result="complete"';
  const told: readonly (readonly [series: string, total: number])[] = [
    [`vast_ost_images_total{${labels}}`, 5],
    ['vast_ost_image_bytes_total{operation="write"}', 10 * MIB],
    ['vast_ost_host_errors_total{result="NOT_FOUND"}', 5],
    ...[
      'vast_ost_requests_total{service="file",operation="part",result="ok"}',
      'vast_ost_requests_total{service="file",operation="put",result="ok"}',
      'vast_ost_request_duration_seconds_count{service="file",operation="part"}',
      'vast_ost_stage_busy_seconds_total{stage="part-uploader",flow="backup"}',
    ].map((series) => [series, totals.get(series) ?? 0] as const),
  ];
  for (const [series, total] of told) t.ok(total > 0, series);
  const seconds = scrapes.length * REPEATS * 15;
  const checks = told.flatMap(([series, total]) => [
    {
      expr: `abs(increase(${series}[${seconds}s]) / ${total} - 1) < bool ${TOLERANCE}`,
      at: `${seconds}s`,
      gives: { [`{${series.replace(/^.*\{|\}$/g, '')}}`]: 1 },
    },
    {
      expr: `resets(${series}[${seconds}s])`,
      at: `${seconds}s`,
      gives: { [`{${series.replace(/^.*\{|\}$/g, '')}}`]: 1 },
    },
  ]);
  const series = Object.fromEntries(told.map(([name]) => [name, samples(scrapes, name)]));
  t.equal(unitTest(RULES, [{ interval: '15s', series, checks }]), '');
  t.strictSame(
    scrapes.map((scrape) => scrape.get(told[0]?.[0] ?? '')),
    [0, 1, 2, undefined, 0, 1, 2, 3, undefined],
    'both begin at 0',
  );
});
