import t from 'tap';
import { imageHandles } from '../../src/ost/image-handles.ts';
import { cycleBytes, LoadHost, slowest } from '../soak/load-host.ts';
import { TEST_LANES } from '../support/lanes.ts';
import { promise } from '../support/promise.ts';
import { Bench, held } from './support/engine.ts';

const MIB = 1024 * 1024;
const BUDGET = 32 * MIB;
const IMAGES = 500;
const WRITERS = 50;
/** Images of 1 to so many MiB. */
const SIZES = 4;
/** What sockets, pools and libraries open on first use. */
const FEW = 32;

t.test('500 images open at the same time', async (t) => {
  promise({
    row: 'load',
    promise: 'Open images that nobody writes to hold no payload, no slot and no descriptor',
    fault: '500 images of two hosts open, each written a little',
  });
  const bench = new Bench(t, { backend: imageHandles, budget: BUDGET, compression: 'lz4' });
  const engine = await bench.start();
  const { services } = engine;
  const loads: LoadHost[] = [];
  for (let nth = 0; nth < 2; nth += 1) {
    const host = await bench.host({ slotCount: 64, journalCount: IMAGES / 2 });
    loads.push(new LoadHost(host, 'lsu'));
  }
  const before = held();
  const idle = (what: string): void => {
    t.equal(services.writers.size, IMAGES, what);
    t.equal(services.usage.size, IMAGES);
    t.equal(services.resources.budget.used, 0, 'no payload');
    t.equal(services.memory.waiting, 0);
    for (const { slots } of engine.hosts()) t.equal(slots.size, 0, 'no slot');
    t.ok(held().descriptors <= before.descriptors + FEW, 'no descriptor');
  };
  await Promise.all(loads.map((load) => load.openMany(IMAGES / 2)));
  idle('open');
  await Promise.all(loads.map((load) => load.writeEach()));
  idle('written');
  t.ok(services.resources.budget.peak <= BUDGET, 'never more than the budget');
  await Promise.all(loads.map((load) => load.closeAll()));
  t.strictSame([services.writers.size, services.usage.size, services.resources.budget.used], [0, 0, 0]);
});

t.test('50 writers of small images', async (t) => {
  promise({
    row: 'load',
    promise: 'The slowest of many writers gets at least half of what the middle one gets, within the byte budget',
    fault: '50 hosts write images of 1 to 4 MiB without a pause, 32 MiB of budget',
  });
  const bench = new Bench(t, { backend: imageHandles, budget: BUDGET, compression: 'lz4' });
  const { services } = await bench.start();
  const before = held();
  const loads: LoadHost[] = [];
  for (let nth = 0; nth < WRITERS; nth += 1) loads.push(new LoadHost(await bench.host({ slotCount: 8 }), 'lsu'));
  // A window in which the middle stream has had images of every size.
  const enough = Promise.withResolvers<void>();
  const bytes = () => slowest(streams.map(({ acknowledged }) => acknowledged));
  const streams = loads.map((load) =>
    load.stream(SIZES, () => {
      if (bytes().median >= cycleBytes(SIZES)) enough.resolve();
    }),
  );
  await enough.promise;
  const { least, median } = bytes();
  t.ok(least >= median / 2, 'no stream starves', { least, median });
  const open = services.writers.size;
  t.ok(open <= WRITERS, `${open} images open`);
  for (const load of loads) load.stop();
  await Promise.all(streams.map(({ done }) => done));
  const { budget } = services.resources;
  t.ok(budget.peak <= BUDGET, 'never more than the budget', { peak: budget.peak });
  t.strictSame([services.writers.size, services.usage.size, budget.used, services.memory.waiting], [0, 0, 0, 0]);
  // A host is a socket on either side, a file that is its memory, and that file once more for each side that maps it; the engine has it open for lanes.
  const files = 6 + (TEST_LANES ?? 0);
  t.ok(held().descriptors <= before.descriptors + files * WRITERS + FEW, 'descriptors');
});
