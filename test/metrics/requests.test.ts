import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { EngineError } from '../../src/errors.ts';
import { KNOWN_REQUESTS } from '../../src/metrics/known-requests.ts';
import { MetricRegistry } from '../../src/metrics/registry.ts';
import { RequestMetrics } from '../../src/metrics/requests.ts';
import { Retrier } from '../../src/vast/retry.ts';
import { seriesOf } from './support.ts';

/** Time that passes only when it is slept. */
function clock() {
  let now = 0;
  return {
    now: () => now,
    sleep: async (ms: number) => {
      now += ms;
    },
    random: () => 1,
  };
}

const fail = (code: string, failure: 'retryable' | 'integrity' | 'not-found') => new EngineError(code, failure, 'no');

t.test('attempts, results, retries and durations', async (t) => {
  const registry = new MetricRegistry();
  const time = clock();
  const s3 = new Retrier({ clock: time, ...new RequestMetrics(registry).observe('s3') });
  const errors = [fail('VOST_THROTTLED', 'retryable'), fail('VOST_WIRE_DIGEST', 'integrity')];
  await s3.run({ operation: 'part' }, async () => {
    await time.sleep(300);
    const error = errors.shift();
    if (error !== undefined) throw error;
  });
  await t.rejects(s3.run({ operation: 'head' }, () => Promise.reject(fail('VOST_NO_KEY', 'not-found'))));
  await t.rejects(s3.run({ operation: 'head' }, () => Promise.reject(new Error('a mistake'))));
  const series = seriesOf(await registry.text());
  const part = 'service="s3",operation="part"';
  t.equal(series.get(`vast_ost_requests_total{${part},result="ok"}`), 1);
  t.equal(series.get(`vast_ost_requests_total{${part},result="retryable"}`), 1);
  t.equal(series.get(`vast_ost_requests_total{${part},result="integrity"}`), 1);
  t.equal(series.get('vast_ost_requests_total{service="s3",operation="head",result="not-found"}'), 1);
  t.equal(series.get('vast_ost_requests_total{service="s3",operation="head",result="internal"}'), 1);
  t.equal(series.get('vast_ost_retries_total{service="s3",reason="VOST_THROTTLED"}'), 1);
  t.equal(series.get('vast_ost_retries_total{service="s3",reason="VOST_WIRE_DIGEST"}'), 1);
  t.equal(series.get('vast_ost_checksum_mismatches_total{place="wire"}'), 1);
  t.equal(series.get(`vast_ost_request_duration_seconds_bucket{le="0.25",${part}}`), 0);
  t.equal(series.get(`vast_ost_request_duration_seconds_bucket{le="0.5",${part}}`), 3);
  t.equal(Math.round((series.get(`vast_ost_request_duration_seconds_sum{${part}}`) ?? 0) * 1000), 900);
});

t.test('what was asked about never becomes a label, and operations are few', async (t) => {
  const registry = new MetricRegistry();
  const { observe } = new RequestMetrics(registry);
  const vms = observe('vms');
  for (let id = 0; id < 1000; id += 1) vms.onAttempt?.({ operation: `GET views/${id}/`, ms: 1 });
  vms.onAttempt?.({ operation: 'POST apitokens/', ms: 1 });
  observe('file').onAttempt?.({ operation: 'list LSUs of', ms: 1 });
  const few = seriesOf(await registry.text());
  t.equal(few.get('vast_ost_requests_total{service="vms",operation="GET views",result="ok"}'), 1000);
  t.equal(few.get('vast_ost_requests_total{service="vms",operation="POST apitokens",result="ok"}'), 1);
  t.equal(few.get('vast_ost_requests_total{service="file",operation="list LSUs",result="ok"}'), 1);
  const s3 = observe('s3');
  for (let n = 0; n < 1000; n += 1) s3.onAttempt?.({ operation: `strange ${n}`, ms: 1 });
  const many = seriesOf(await registry.text());
  const told = [...many].filter(([name]) => name.startsWith('vast_ost_requests_total{service="s3"'));
  t.ok(new Set(told.map(([name]) => /operation="([^"]*)"/.exec(name)?.[1])).size <= 300);
  t.equal(
    told.reduce((sum, [, value]) => sum + value, 0),
    1000,
    'none is lost',
  );
  t.ok((many.get('vast_ost_requests_total{service="s3",operation="other",result="ok"}') ?? 0) > 600);
});

t.test('what the stores ask is foreseen', async (t) => {
  const calls = { s3: /\boperation: '([^']+)'/g, file: /#run\('([^']+)'|\brun\(\{ operation: '([^']+)'/g };
  for (const [service, folder] of [['s3', 's3'] as const, ['file', 'nfs'] as const]) {
    const dir = new URL(`../../src/vast/${folder}/`, import.meta.url);
    const text = readdirSync(dir).map((name) => readFileSync(new URL(name, dir), 'utf8'));
    const found = [...text.join('\n').matchAll(calls[service])].map(([, one, other]) => one ?? other ?? '');
    const names = new Set(found.map((name) => name.replace(/ (of|in)$/, '')));
    t.strictSame([...names].sort(), [...KNOWN_REQUESTS[service].operations].sort(), service);
  }
});
