import { context, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import t from 'tap';
import { EngineError } from '../../src/errors.ts';
import { ImageSpan } from '../../src/image/image-span.ts';
import { tracingPlan } from '../../src/tracing/environment.ts';
import { openSdk } from '../../src/tracing/sdk.ts';
import { begin, bound, here, inSpan } from '../../src/tracing/spans.ts';
import { Retrier } from '../../src/vast/retry.ts';
import { FakeVms } from '../vast/vms/fake-vms.ts';
import { clientOf } from '../vast/vms/support.ts';
import { Collector } from './collector.ts';

t.test('spans of this process', async (t) => {
  const collector = await Collector.start(t);
  Object.assign(process.env, collector.environment);
  const plan = tracingPlan(process.env, t.fail);
  if (plan === undefined) throw new Error('tracing is off');
  const stop = openSdk(plan, t.fail);

  const clock = { now: () => 0, sleep: async () => undefined, random: () => 0 };
  const retrier = new Retrier({ service: 's3', clock });
  const image = new ImageSpan('backup', { lsu: 'lsu', imageId: 'id', name: 'name'.repeat(1000) });
  await image.run(() =>
    retrier.run({ operation: 'part', bytes: 7, lsu: 'lsu', key: 'key' }, async (number) => {
      if (number > 2) return;
      const details = { httpStatus: 503, requestId: 'R1', vip: '10.0.0.1', password: 'hush' };
      throw new EngineError('VOST_BUSY', 'retryable', 'too busy', { details, cause: new Error('hush') });
    }),
  );
  await t.rejects(
    image.run(() =>
      retrier.run({ operation: 'head' }, async () => {
        throw new EngineError('VOST_NO_SUCH_KEY', 'not-found', 'no such key');
      }),
    ),
  );
  // What an image leaves behind, a timer for example, and what was set going inside a part.
  const later = image.run(() => context.bind(context.active(), () => inSpan('after', {}, async () => undefined)));
  let inPart = async (): Promise<void> => undefined;
  await image.run(() =>
    inSpan('part', {}, async () => {
      inPart = context.bind(context.active(), () => inSpan('stray', {}, async () => undefined));
    }),
  );
  await inPart();
  image.end({ result: 'complete', bytes: 7 });
  image.end({ result: 'failed' });
  await later();
  t.equal(here(), ROOT_CONTEXT);

  const fake = await FakeVms.start(t);
  fake.table('views').push({ id: 17, path: '/one', bucket: 'one' });
  await clientOf(t, fake).views.list();
  // Many at once: each has its own parent.
  await Promise.all(
    Array.from({ length: 20 }, (_, number) =>
      inSpan(`outer ${number}`, { parent: ROOT_CONTEXT }, async () => {
        const work = bound(() => inSpan(`inner ${number}`, {}, async () => undefined));
        await new Promise((resolve) => setImmediate(resolve));
        await work();
      }),
    ),
  );
  const { span } = begin('never ended', {});
  t.ok(span.isRecording());
  await stop();
  trace.disable();
  context.disable();

  const root = collector.one('backup');
  t.equal(String(root.attributes['vast_ost.image.name']).length, 1024, 'long names are cut');
  t.equal(root.attributes['vast_ost.result'], 'complete', 'it ends once');
  const part = collector.one('s3 part');
  t.equal(part.parent, root.id);
  t.match(part.attributes, { 'aws.s3.key': 'key', 'vast_ost.bytes': 7 });
  const failed = {
    'error.type': 'VOST_BUSY',
    'http.response.status_code': 503,
    'aws.request_id': 'R1',
    'server.address': '10.0.0.1',
  };
  t.match(part.events, [
    { name: 'attempt', attributes: { number: 1, ...failed } },
    { name: 'attempt', attributes: { number: 2, ...failed } },
    { name: 'attempt', attributes: { number: 3 } },
  ]);
  t.notMatch(part.status, { code: 2 }, 'it came to a good end');
  const head = collector.one('s3 head');
  t.equal(head.attributes['error.type'], 'VOST_NO_SUCH_KEY');
  t.notMatch(head.status, { code: 2 }, 'that there is none is an answer');
  t.equal(collector.one('stray').parent, root.id, 'not below a part that has ended');
  t.equal(collector.one('after').parent, undefined, 'not below an image that has ended');
  t.ok(
    collector.spans.some(
      ({ name, attributes }) => name === 'vms GET views' && attributes['vast_ost.operation'] === 'GET views/',
    ),
  );
  for (let number = 0; number < 20; number += 1)
    t.equal(collector.one(`inner ${number}`).parent, collector.one(`outer ${number}`).id);
  t.notOk(collector.written.includes('hush'));
});
