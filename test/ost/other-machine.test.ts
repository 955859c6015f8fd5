import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { WRITERS_PREFIX } from '../../src/image/living-writers.ts';
import { OPEN_MODE } from '../../src/ost/wire/constants.ts';
import type { WireImageId } from '../../src/ost/wire/groups.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { orphans } from '../support/orphans.ts';
import { promise } from '../support/promise.ts';
import { Host, imageId, Refusal, refuses } from './support/host.ts';
import { Served, type StoreKind } from './support/served.ts';
import { SlowJob } from './support/slow-job.ts';

const MIB = 1024 * 1024;
const OTHER_MACHINE = fileURLToPath(new URL('./support/other-machine.ts', import.meta.url));
const LEASE_MS = 2000;
/** What the engines do not use. */
const CHUNK: Readonly<Record<string, number>> = { directory: 1, simulator: 8 };

async function connected(t: Test, served: Served, chunkBytes: number): Promise<Host> {
  const host = new Host({ slotBytes: chunkBytes });
  t.teardown(() => host.close());
  await host.connect(served.socket);
  await host.openServer();
  return host;
}

const reopening = (id: WireImageId, handle = 1n) => ({
  handle,
  server: 1n,
  lsu: 'lsu-1',
  id,
  mode: OPEN_MODE.WRITE,
  journal: Number(handle),
});

/** Reopen as soon as that is allowed. Resolves to what the image had kept. */
async function reopened(host: Host, id: WireImageId): Promise<bigint> {
  for (;;) {
    try {
      return (await host.ask('IMAGE_OPEN', reopening(id))).info.size;
    } catch (error) {
      if (!(error instanceof Refusal) || error.result !== 'BUSY') throw error;
      await delay(50);
    }
  }
}

/** Changes of what an engine says of its writers. */
async function signsOfLife(store: ObjectStore, wanted: number): Promise<void> {
  const seen = new Set<string>();
  while (seen.size < wanted) {
    for await (const { etag, modified } of store.list({ prefix: WRITERS_PREFIX })) seen.add(`${etag} ${modified}`);
    await delay(50);
  }
}

const cases: { kind: StoreKind; skewMs: number }[] = [
  { kind: 'directory', skewMs: 1_200_000 },
  { kind: 'simulator', skewMs: -1_200_000 },
];
for (const { kind, skewMs } of cases) {
  t.test(`a machine falls silent, another one goes on (${kind}, clocks ${skewMs / 60_000} min apart)`, async (t) => {
    promise({
      row: 'host loss',
      promise:
        'An image that its writer left open is taken over by another media server after the lease, not before; the old one notices and harms nothing',
      fault:
        'SIGSTOP of an engine amid a backup, SIGCONT after the other one has committed; clocks 20 minutes apart; directory and S3',
    });
    const chunkBytes = (CHUNK[kind] ?? 1) * MIB;
    const performance = `chunk_size_mb = ${CHUNK[kind]}\npart_size_mb = ${CHUNK[kind]}`;
    const engine = `writer_lease = ${LEASE_MS / 1000}s`;
    const one = await Served.prepare(t, { kind, performance, engine });
    const two = await Served.prepare(t, { storageOf: one, performance, engine });
    two.main = OTHER_MACHINE;
    const first = await one.start();
    await two.start({ CLOCK_SKEW_MS: `${skewMs}` });
    const store = await one.openLsu(t, 'lsu-1');
    const id = imageId('left');
    const bytes = (fill: number) => Buffer.alloc(chunkBytes, fill);

    const host = await connected(t, one, chunkBytes);
    await host.create(1n, id, { lsu: 'lsu-1' });
    await host.write(1n, 0, 0, bytes(1));
    await host.ask('IMAGE_CLOSE', { handle: 1n, mode: 2, size: BigInt(chunkBytes) });
    t.equal((await host.ask('IMAGE_OPEN', reopening(id))).info.size, BigInt(chunkBytes));
    await host.write(1n, 1, 0, bytes(2));
    await host.write(1n, 2, 1, bytes(2));
    await host.ask('IMAGE_FLUSH', { handle: 1n });

    // Nothing is written for several leases, but the writer lives.
    const other = await connected(t, two, chunkBytes);
    await signsOfLife(store, 8);
    await refuses(t, other.ask('IMAGE_OPEN', reopening(id)), 'BUSY');

    first.kill('SIGSTOP');
    t.equal(await reopened(other, id), BigInt(chunkBytes), 'what was kept is there');
    await other.write(1n, 1, 0, bytes(3));
    await other.ask('IMAGE_FLUSH', { handle: 1n });
    // The old one comes back in the middle, and writes on.
    first.kill('SIGCONT');
    await host.write(1n, 3, 2, bytes(2));
    await refuses(t, host.ask('IMAGE_CLOSE', { handle: 1n, mode: 1, size: BigInt(4 * chunkBytes) }), 'BUSY');
    await other.write(1n, 2, 1, bytes(3));
    const closed = await other.ask('IMAGE_CLOSE', { handle: 1n, mode: 1, size: BigInt(3 * chunkBytes) });
    t.match(closed.report, /state=complete/);

    const whole = Buffer.concat([bytes(1), bytes(3), bytes(3)]);
    for (const reader of [host, other]) t.ok((await reader.restore(2n, id, 'lsu-1')).equals(whole));
    t.same(await orphans(store), []);
    for (const engineOf of [one, two]) t.equal(await engineOf.stop(), 0);
  });
}

t.test('an engine that is killed and started again keeps its hosts’ images, a host that dies does not', async (t) => {
  promise({
    row: 'host loss',
    promise:
      'An image is kept for a host whose engine begins anew; when the host itself dies another media server may go on',
    fault: 'SIGKILL of the engine with an image open, then the end of the host process',
  });
  const engine = `writer_lease = ${LEASE_MS / 1000}s`;
  const one = await Served.prepare(t, { engine });
  const two = await Served.prepare(t, { storageOf: one, engine });
  two.main = OTHER_MACHINE;
  await one.start();
  await two.start();
  const store = await one.openLsu(t, 'lsu-1');
  const job = new SlowJob(one);
  await job.halfway();
  const other = await connected(t, two, MIB);
  const { images } = await other.ask('IMAGE_LIST', { server: 1n, lsu: 'lsu-1', kinds: 3, max: 9, cursor: '' });
  const [{ id: slow }] = images as [(typeof images)[number]];
  await one.kill();
  await one.start();
  // Another image of another process makes the new engine speak; the first process is still vouched for.
  const host = await connected(t, one, MIB);
  await host.create(1n, imageId('mine'), { lsu: 'lsu-1' });
  await signsOfLife(store, 8);
  await refuses(t, other.ask('IMAGE_OPEN', reopening(slow)), 'BUSY');
  await job.kill();
  t.equal(await reopened(other, slow), 0n);
  await refuses(t, other.ask('IMAGE_OPEN', reopening(imageId('mine'), 2n)), 'BUSY');
  await other.write(1n, 0, 0, Buffer.alloc(MIB, 1));
  await other.ask('IMAGE_CLOSE', { handle: 1n, mode: 1, size: BigInt(MIB) });
  t.same(await orphans(store), []);
});
