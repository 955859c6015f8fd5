import t from 'tap';
import { definitionOf, METRIC_NAMES } from '../../src/metrics/definitions.ts';
import { MetricRegistry } from '../../src/metrics/registry.ts';
import { seriesOf } from './support.ts';

t.test('names and units follow the conventions of Prometheus', async (t) => {
  for (const name of METRIC_NAMES) {
    const { type, help, labels, buckets } = definitionOf(name);
    t.match(name, /^(vast_ost|process)(_[a-z]+)+$/);
    t.equal(type === 'counter', name.endsWith('_total'), `${name} is a ${type}`);
    t.match(help, /\.$/, `the help of ${name} is a sentence`);
    t.notMatch(name, /_(ms|milliseconds|kb|mb|mib)(_|$)/);
    t.equal(type === 'histogram', buckets !== undefined, name);
    for (const label of Object.keys(labels)) t.match(label, /^[a-z]+$/, `${name}, ${label}`);
    // A pipe in a help text or a value would end the table's column.
    t.notMatch(JSON.stringify({ help, labels }), /\|/);
  }
});

t.test('readings are taken at each scrape and replace each other', async (t) => {
  const registry = new MetricRegistry();
  let images = 3;
  let lsus = ['a', 'b"\n'];
  registry.read(() => [
    { name: 'vast_ost_images_total', labels: { operation: 'write', result: 'complete' }, value: images },
    ...lsus.map((lsu) => ({ name: 'vast_ost_lsu_used_bytes', labels: { server: 's', lsu }, value: 7 }) as const),
  ]);
  const first = seriesOf(await registry.text());
  t.equal(first.get('vast_ost_images_total{operation="write",result="complete"}'), 3);
  t.equal(first.get('vast_ost_lsu_used_bytes{server="s",lsu="b\\"\\n"}'), 7);
  [images, lsus] = [4, ['a']];
  const second = seriesOf(await registry.text());
  t.equal(second.get('vast_ost_images_total{operation="write",result="complete"}'), 4);
  t.notOk(second.has('vast_ost_lsu_used_bytes{server="s",lsu="b\\"\\n"}'), 'what is gone is not told');
});

t.test('a metric has a bounded number of series', async (t) => {
  const registry = new MetricRegistry();
  registry.read(function* () {
    for (let n = 0; n < 5_000; n += 1)
      yield { name: 'vast_ost_lsu_used_bytes', labels: { server: 's', lsu: `l${n}` }, value: n };
  });
  const lines = (await registry.text()).split('\n').filter((line) => line.startsWith('vast_ost_lsu_used_bytes{'));
  t.equal(lines.length, 2_000);
});

t.test('who asks at the same time gets the same answer', async (t) => {
  const registry = new MetricRegistry();
  let reads = 0;
  registry.read(() => {
    reads += 1;
    return [{ name: 'vast_ost_sessions', value: reads }];
  });
  const texts = await Promise.all([registry.text(), registry.text(), registry.text()]);
  t.equal(new Set(texts).size, 1);
  t.equal(reads, 1);
  t.equal(seriesOf(await registry.text()).get('vast_ost_sessions'), 2);
});

t.test('mistakes of ours are told', async (t) => {
  const registry = new MetricRegistry();
  t.throws(() => registry.series('vast_ost_sessions', {}), /no histogram/);
  registry.read(() => [{ name: 'vast_ost_request_duration_seconds', value: 1 }]);
  await t.rejects(registry.text(), /cannot be read/);
});
