import { randomBytes } from 'node:crypto';
import { BroadcastChannel } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { imageHandles } from '../../../src/ost/image-handles.ts';
import { promise } from '../../support/promise.ts';
import { Bench, type BenchOptions, held } from '../support/engine.ts';
import { imageId, refuses } from '../support/host.ts';
import type { Trouble } from './troubled-lane.ts';

const MIB = 1024 * 1024;
const FILE = new URL('./troubled-lane.ts', import.meta.url);
const data = randomBytes(5 * MIB + 512);
const chunk = (n: number) => data.subarray(n * MIB, (n + 1) * MIB);

async function benchOf(t: Test, count: number, more: Pick<BenchOptions, 'compression' | 'lanes'> = {}) {
  const bench = new Bench(t, { backend: imageHandles, lanes: { count, file: FILE }, ...more });
  const engine = await bench.start();
  const channel = new BroadcastChannel('troubled-lane');
  t.teardown(() => channel.close());
  const trouble = (what: Trouble): void => channel.postMessage(what);
  return { bench, engine, host: await bench.host(), trouble };
}

/** Resolves when a line of the log says so. */
async function logged(bench: Bench<typeof imageHandles>, text: string, count = 1): Promise<void> {
  while (bench.log.filter((line) => line.includes(text)).length < count)
    await new Promise((resolve) => setTimeout(resolve, 5));
}

for (const compression of ['none', 'lz4'] as const) {
  t.test(`images are written and read in lanes (${compression})`, async (t) => {
    const { bench, engine, host } = await benchOf(t, 2, { compression });
    const { services } = engine;
    const names = ['a', 'b', 'c'].map((name) => imageId(name));
    for (const [nth, id] of names.entries()) await host.create(BigInt(nth + 1), id);
    t.strictSame(
      bench.lanes?.lanes.map(({ images }) => images),
      [2, 1],
      'each goes where least is done',
    );
    for (const [nth] of names.entries()) {
      const handle = BigInt(nth + 1);
      for (let n = 0; n < 6; n += 1)
        await host.write(handle, n, 5 * nth + (n % 5), chunk(n), n === 5).then(async () => {
          if (n < 5) await host.notice('SLOT_FREE', { handle });
        });
      const { report } = await host.ask('IMAGE_CLOSE', { handle, mode: 1, size: BigInt(data.byteLength) });
      t.match(report, `size=${data.byteLength}`);
    }
    for (const [nth, id] of names.entries()) t.ok((await host.restore(BigInt(nth + 10), id)).equals(data));
    const flows = new Map(
      services.resources.meters.totals().map(({ flow, stage, bytesIn }) => [`${flow} ${stage}`, bytesIn]),
    );
    t.equal(flows.get('backup checksum'), 3 * data.byteLength, 'what lanes did counts here');
    t.ok(flows.has('restore fetcher'));
    t.equal(services.ended.all().length, 6);
    t.ok(services.ended.all().every(({ stages }) => stages.some(({ bytesIn }) => bytesIn >= data.byteLength)));
    t.equal(services.resources.budget.used, 0);
    t.strictSame(
      bench.lanes?.lanes.map(({ images }) => images),
      [0, 0],
    );
  });
}

t.test('what becomes of chunks that are compressed if that is worth it', async (t) => {
  const { engine, host } = await benchOf(t, 1, { compression: 'auto' });
  await host.backup(1n, imageId('auto'), data);
  t.ok((await host.restore(2n, imageId('auto'))).equals(data));
  const { compressed, incompressible, unneeded } = engine.services.resources.meters.outcomes;
  t.equal(compressed + incompressible + unneeded, 6, 'each chunk is counted');
});

t.test('what a lane refuses arrives as it is', async (t) => {
  const { host } = await benchOf(t, 1);
  await host.backup(1n, imageId('there'), chunk(0));
  await refuses(t, host.create(2n, imageId('there')), 'EXISTS');
  await refuses(t, host.openRead(3n, imageId('nowhere')), 'NOT_FOUND');
  await host.create(4n, imageId('gap'));
  await host.write(4n, 1, 0, chunk(1));
  await refuses(t, host.ask('IMAGE_CLOSE', { handle: 4n, mode: 1, size: BigInt(2 * MIB) }), 'INVALID');
});

t.test('an image that is written when its lane ends goes on in another one', async (t) => {
  promise({
    row: 'restart',
    promise: 'Images go on when the thread that works on them ends; hosts notice nothing',
    fault: 'an error that nobody catches in a lane of the engine',
  });
  const { bench, engine, host, trouble } = await benchOf(t, 2);
  const id = imageId('moved');
  await host.create(1n, id);
  await host.write(1n, 0, 0, chunk(0));
  await host.notice('SLOT_FREE', { slot: 0 });
  // Without chunk 1 these have to stay in their slots.
  await host.write(1n, 2, 2, chunk(2));
  await host.write(1n, 3, 3, chunk(3));
  trouble({ lane: 0, what: 'throws' });
  await logged(bench, 'a lane has ended');
  await host.write(1n, 1, 1, chunk(1));
  for (const slot of [1, 2, 3]) await host.notice('SLOT_FREE', { slot });
  await host.write(1n, 4, 0, chunk(4));
  await host.write(1n, 5, 1, chunk(5), true);
  await host.ask('IMAGE_CLOSE', { handle: 1n, mode: 1, size: BigInt(data.byteLength) });
  t.ok((await host.restore(2n, id)).equals(data));
  t.equal(engine.services.resources.budget.used, 0);
  while (bench.lanes?.lanes[0]?.restarts !== 1) await new Promise((resolve) => setTimeout(resolve, 5));
  await host.backup(3n, imageId('later'), data);
  t.ok((await host.restore(4n, imageId('later'))).equals(data), 'the engine is as it was');
});

t.test('a reader whose lane ends, and the only lane at that', async (t) => {
  const { bench, host, trouble } = await benchOf(t, 1);
  await host.backup(1n, imageId('read'), data);
  await host.openRead(2n, imageId('read'));
  const read = { handle: 2n, length: MIB, slot: 0, hint: 1 };
  const first = await host.ask('IMAGE_READ', { ...read, offset: 0n });
  t.ok(
    host.arena
      .slot(0)
      .subarray(0, first.length)
      .every((byte, at) => byte === data[at]),
  );
  host.tell('SLOT_RETURN', { handle: 2n, slot: 0 });
  trouble({ lane: 0, what: 'throws' });
  await logged(bench, 'a lane has ended');
  const { start, length } = await host.ask('IMAGE_READ', { ...read, offset: BigInt(MIB) });
  t.equal(start, BigInt(MIB));
  t.ok(Buffer.from(host.arena.slot(0).subarray(0, length)).equals(data.subarray(MIB, MIB + length)));
  await host.ask('IMAGE_CLOSE', { handle: 2n, mode: 4, size: 0n });
});

t.test('a lane that hangs is noticed and replaced', async (t) => {
  promise({
    row: 'restart',
    promise: 'A thread of the engine that hangs is replaced, and its images go on in another one',
    fault: 'a lane of the engine whose loop does not turn',
  });
  const { bench, host, trouble } = await benchOf(t, 2, { lanes: { count: 2, file: FILE, lookMs: 200 } });
  await host.create(1n, imageId('hung'));
  trouble({ lane: 0, what: 'hangs' });
  await host.create(2n, imageId('other'));
  await host.write(2n, 0, 4, chunk(0), true);
  await host.ask('IMAGE_CLOSE', { handle: 2n, mode: 1, size: BigInt(MIB) });
  t.pass('images of other lanes go on meanwhile');
  await host.write(1n, 0, 0, chunk(0));
  await host.notice('SLOT_FREE', { handle: 1n, slot: 0 });
  t.ok(bench.log.some((line) => line.includes('a lane does not answer')));
  await host.ask('IMAGE_CLOSE', { handle: 1n, mode: 1, size: BigInt(MIB) });
});

t.test('an image that ends every lane that it comes to fails', async (t) => {
  promise({
    row: 'restart',
    promise: 'An image that ends every thread that works on it fails after the third; the engine goes on',
    fault: 'an error that nobody catches, each time the image is taken up again',
  });
  const { bench, engine, host, trouble } = await benchOf(t, 1);
  await host.create(1n, imageId('poison'));
  await host.write(1n, 1, 1, chunk(1));
  for (let nth = 1; nth <= 3; nth += 1) {
    while (bench.lanes?.lanes[0]?.images !== 1) await new Promise((resolve) => setTimeout(resolve, 5));
    trouble({ lane: 0, what: 'throws' });
    await logged(bench, 'a lane has ended', nth);
  }
  t.match(await host.notice('IMAGE_ERROR', { handle: 1n }), {
    cause: /lane 0 of the engine has ended: a bug in a lane/,
  });
  await host.notice('SLOT_FREE', { handle: 1n, slot: 1 });
  await refuses(t, host.ask('IMAGE_CLOSE', { handle: 1n, mode: 1, size: BigInt(MIB) }), 'AGAIN');
  t.equal(engine.services.writers.size, 0);
  await host.backup(2n, imageId('next'), data);
});

t.test('hosts that go leave nothing in lanes', async (t) => {
  const { bench, engine } = await benchOf(t, 2);
  const before = held();
  for (let nth = 0; nth < 3; nth += 1) {
    const host = await bench.host();
    await host.create(1n, imageId(`left-${nth}`));
    await host.create(2n, imageId(`open-${nth}`));
    await host.write(1n, 1, 0, chunk(1));
    await host.disconnect();
  }
  while (engine.sessions > 1) await new Promise((resolve) => setTimeout(resolve, 5));
  // What is left is what the hosts, which are of this process, have mapped themselves.
  while (held().arenas > before.arenas + 3) await new Promise((resolve) => setTimeout(resolve, 5));
  t.strictSame(
    bench.lanes?.lanes.map(({ images }) => images),
    [0, 0],
  );
  t.equal(engine.services.resources.budget.used, 0);
});
