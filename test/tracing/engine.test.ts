import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { Host, imageId } from '../ost/support/host.ts';
import { FULL_LSU, Served } from '../ost/support/served.ts';
import { Collector, type SpanTold } from './collector.ts';

const MIB = 1024 * 1024;
const FAILED = 2;

const lasted = ({ began, ended }: SpanTold): boolean => ended >= began;

for (const lanes of [0, 2])
  t.test(`a backup, a restore, a failure and a deletion, as a collector gets them (${lanes} lanes)`, async (t) => {
    const collector = await Collector.start(t);
    const served = await Served.prepare(t, {
      kind: 'simulator',
      engine: `lanes = ${lanes}`,
      performance: 'chunk_size_mb = 2\npart_size_mb = 6\nparallel_streams = 2\ncompression = lz4',
    });
    await served.start({
      ...collector.environment,
      OTEL_SERVICE_NAME: 'media-1',
      OTEL_EXPORTER_OTLP_HEADERS: 'key=hush',
    });
    const host = new Host({ slotBytes: 2 * MIB });
    t.teardown(() => host.close());
    await host.connect(served.socket);
    await host.openServer(1n, 'VastData:test', '4711');
    const data = Buffer.alloc(15 * MIB);
    // What lz4 makes smaller would make one part of it all.
    for (let at = 0, word = 1; at < data.byteLength; at += 4) {
      word = (Math.imul(word, 1_664_525) + 1_013_904_223) | 0;
      data.writeInt32LE(word, at);
    }
    const report = await host.backup(1n, imageId('first'), data, 'lsu-1');
    t.ok((await host.restore(2n, imageId('first'), 'lsu-1')).equals(data));
    await t.rejects(host.backup(3n, imageId('second'), data, FULL_LSU));
    await host.ask('IMAGE_DELETE', { server: 1n, lsu: 'lsu-1', id: imageId('first'), flags: 0 });
    await host.disconnect();
    while (!served.stderr.includes('session ended')) await delay(5);
    t.equal(await served.stop(), 0);

    t.ok(collector.spans.every(lasted));
    t.match(collector.resources[0], { 'service.name': 'media-1', 'service.version': /./ });

    const named = (name: string) => (span: SpanTold) => span.attributes['vast_ost.image.name'] === name;
    const backup = collector.one('backup', named('first'));
    t.equal(backup.parent, undefined);
    t.match(backup.attributes, {
      'vast_ost.server': 'test',
      'vast_ost.lsu': 'lsu-1',
      'vast_ost.image.id': /^[0-9a-f]+/,
      'vast_ost.job.id': '4711',
      'vast_ost.host.pid': process.pid,
      'vast_ost.result': 'complete',
      'vast_ost.bytes': data.byteLength,
      'vast_ost.stage.checksum.busy_seconds': Number,
      'vast_ost.stage.part-uploader.wait_seconds': Number,
    });
    t.match(report, ` trace=${backup.trace}`, 'the details of the job lead to the trace');

    const parts = collector.childrenOf(backup).filter(({ name }) => name === 'part');
    const chunks = collector.childrenOf(backup).filter(({ name }) => name === 'chunks');
    t.ok(parts.length > 1);
    t.equal(chunks.length, parts.length, 'the chunks of each part');
    const sum = (spans: readonly SpanTold[], name: string): number =>
      spans.reduce((total, { attributes }) => total + Number(attributes[name]), 0);
    t.equal(sum(chunks, 'vast_ost.bytes'), data.byteLength);
    t.equal(sum(chunks, 'vast_ost.chunks'), Math.ceil(data.byteLength / (2 * MIB)));
    t.equal(sum(chunks, 'vast_ost.stored_bytes'), sum(parts, 'vast_ost.bytes'));
    for (const part of parts) {
      const requests = collector.childrenOf(part);
      const sent = requests.find(({ name }) => name === 's3 part');
      t.match(sent?.attributes, { 'aws.s3.bucket': 'lsu-1', 'aws.s3.key': /fragment-/, 'server.address': /^127/ });
      t.match(sent?.events, [{ name: 'attempt', attributes: { number: 1, seconds: Number } }]);
    }
    const completed = collector.childrenOf(backup).filter(({ name }) => name === 's3 complete');
    t.ok(completed.some(({ attributes }) => String(attributes['aws.s3.key']).endsWith('/image.meta')));
    t.ok(collector.below(backup).every(({ trace }) => trace === backup.trace));

    const restore = collector.one('restore');
    t.match(restore.attributes, { 'vast_ost.result': 'complete', 'vast_ost.bytes': data.byteLength });
    const ranges = collector.childrenOf(restore).filter(({ name }) => name === 'chunks');
    t.equal(sum(ranges, 'vast_ost.bytes'), data.byteLength);
    t.ok(ranges.every((range) => collector.childrenOf(range).some(({ name }) => name === 's3 read')));

    const failed = collector.one('backup', named('second'));
    t.match(failed.attributes, { 'vast_ost.result': 'failed', 'vast_ost.lsu': FULL_LSU });
    t.equal(failed.status.code, FAILED);
    const refused = collector
      .below(failed)
      .filter(({ name, status }) => name.startsWith('s3 ') && status.code === FAILED);
    t.ok(refused.length > 0);
    t.match(refused[0]?.events.find(({ name }) => name === 'attempt')?.attributes, {
      'error.type': /^VOST_/,
      'http.response.status_code': 507,
      'aws.request_id': /^[0-9A-F]{16}$/,
    });
    t.match(refused[0]?.events.find(({ name }) => name === 'exception')?.attributes, {
      'exception.type': /^VOST_/,
      'exception.message': /./,
    });

    t.match(collector.one('delete').attributes, { 'vast_ost.result': 'complete', 'vast_ost.image.name': 'first' });
    const secrets = ['served/secret', 'X-Amz-Signature', 'AWS4-HMAC', 'SERVEDKEY'];
    for (const secret of secrets) t.notOk(collector.written.includes(secret), `${secret} is in no span`);
    t.notMatch(served.stderr, 'hush', 'what the collector is to be told is in no log');
  });
