import { Readable } from 'node:stream';
import t from 'tap';
import type { Chunk } from '../../src/pipeline/chunk.ts';
import { noLease } from '../../src/pipeline/lease.ts';
import { createResources } from '../../src/pipeline/resources.ts';
import { runStage } from '../../src/pipeline/run-stage.ts';
import { builtInStages } from '../../src/stages/built-in.ts';
import { JsBridge } from '../support/js-bridge.ts';
import { closed } from '../support/turns.ts';

const chunk = (index: number): Chunk => ({ index, offset: index, length: 1, pieces: [], lease: noLease });

t.test('an instance as a stream: apply, flush and close in turn', async (t) => {
  const events: string[] = [];
  const stream = runStage('mine', {
    concurrency: 3,
    apply: async (item, signal) => {
      t.notOk(signal.aborted);
      return { ...item, length: item.index + 10 };
    },
    flush: async () => {
      events.push('flush');
    },
    close: async () => {
      events.push('close');
    },
  });
  t.equal(stream.name, 'mine');
  Readable.from([0, 1, 2, 3].map(chunk)).pipe(stream);
  const out = (await stream.toArray()) as Chunk[];
  await closed(stream);
  t.strictSame(
    out.map(({ length }) => length),
    [10, 11, 12, 13],
  );
  t.strictSame(events, ['flush', 'close']);
});

t.test('flush and close are optional', async (t) => {
  const stream = runStage('mine', { concurrency: 1, apply: (item) => item }, { highWaterMark: 2 });
  t.strictSame([stream.readableHighWaterMark, stream.writableHighWaterMark], [2, 2]);
  Readable.from([chunk(0)]).pipe(stream);
  t.equal((await stream.toArray()).length, 1);
  await closed(stream);
});

t.test('the resources of a process share one budget', async (t) => {
  const bridge = new JsBridge();
  const resources = createResources(bridge, 1000, builtInStages());
  t.equal(resources.bridge, bridge);
  t.equal(resources.budget.total, 1000);
});
