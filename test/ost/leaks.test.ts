import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { promise } from '../support/promise.ts';
import { held, memoryBench } from './support/engine.ts';
import { Host, imageId } from './support/host.ts';

const MIB = 1024 * 1024;

/** Bytes that V8 holds after a full collection. */
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const heap = (): number => {
  collect();
  return process.memoryUsage().heapUsed;
};
/** Far below what 1,000 forgotten handles or sessions would hold. */
const SLACK = 2 * MIB;

t.test('1,000 images opened and closed leave nothing', async (t) => {
  promise({
    row: 'limits',
    promise: 'A thousand images and as many connections leave no memory, descriptor or mapping',
    fault: '1,000 rounds',
  });
  const bench = await memoryBench(t);
  const host = await bench.host();
  const round = async (n: number): Promise<void> => {
    const id = imageId(`image ${n % 10}`);
    const handle = BigInt(2 * n + 1);
    await host.create(handle, id);
    if (n % 3 === 0) await host.write(handle, 0, n % 16, Buffer.alloc(MIB, n));
    const size = n % 3 === 0 ? BigInt(MIB) : 0n;
    await host.ask('IMAGE_CLOSE', { handle, mode: 1, size });
    await host.openRead(handle + 1n, id);
    if (size > 0n)
      await host.ask('IMAGE_READ', { handle: handle + 1n, offset: 0n, length: 512, slot: n % 16, hint: 0 });
    await host.ask('IMAGE_CLOSE', { handle: handle + 1n, mode: 4, size: 0n });
    bench.backend.images.clear();
    host.notices.length = 0;
    bench.log.length = 0;
  };
  for (let n = 0; n < 32; n += 1) await round(n);
  const before = held();
  const heapBefore = heap();
  for (let n = 32; n < 1032; n += 1) await round(n);
  t.strictSame(held(), before);
  const grown = heap() - heapBefore;
  t.ok(grown < SLACK, 'nor memory', { grown });
  const { services } = bench.engine ?? {};
  t.equal(bench.backend.live, 0);
  t.strictSame(
    [services?.usage.size, services?.writers.size, services?.readers.size, services?.memory.waiting],
    [0, 0, 0, 0],
  );
});

t.test('1,000 connections leave nothing, in peace or not', async (t) => {
  const bench = await memoryBench(t);
  const host = new Host();
  t.teardown(() => host.close());
  const round = async (n: number): Promise<void> => {
    await host.connect(bench.socket);
    await host.openServer();
    if (n % 2 === 0) {
      await host.create(1n, imageId(`image ${n}`));
      await host.write(1n, 0, 0, Buffer.alloc(MIB, n));
    }
    await host.disconnect();
    bench.backend.images.clear();
    bench.log.length = 0;
  };
  for (let n = 0; n < 20; n += 1) await round(n);
  // A new hello is answered when nothing of the old connection is left.
  await host.connect(bench.socket);
  const before = held();
  const heapBefore = heap();
  for (let n = 20; n < 1020; n += 1) await round(n);
  await host.connect(bench.socket);
  t.strictSame(held(), before);
  const grown = heap() - heapBefore;
  t.ok(grown < SLACK, 'nor memory', { grown });
  t.equal(bench.engine?.sessions, 1);
  t.equal(bench.backend.live, 0);
});
