import { setImmediate as tick } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { ATTACH_SLOT, OPEN_MODE } from '../../src/ost/wire/constants.ts';
import type { WireAttachSlot, WireImageAttach } from '../../src/ost/wire/groups.ts';
import { promise } from '../support/promise.ts';
import { type Bench, memoryBench } from './support/engine.ts';
import { type Host, imageId, refuses } from './support/host.ts';

const MIB = 1024 * 1024;
const data = Buffer.alloc(4 * MIB, 'some bytes of an image ');
const chunk = (n: number) => data.subarray(n * MIB, (n + 1) * MIB);

const attachOf = (slots: Partial<WireAttachSlot>[], more: Partial<WireImageAttach> = {}): WireImageAttach => ({
  handle: 1n,
  server: 1n,
  lsu: 'lsu',
  id: imageId('image'),
  mode: OPEN_MODE.WRITE,
  journal: 1,
  chunk_bytes: MIB,
  slots: slots.map((slot) => ({
    slot: 0,
    state: ATTACH_SLOT.FULL,
    chunk: 0n,
    start: 0n,
    length: MIB,
    flags: 0,
    ...slot,
  })),
  ...more,
});

/** Break the connection and make a new one: to the same engine, or to the next. */
const ways: Record<string, (bench: Bench, host: Host) => Promise<void>> = {
  'a broken connection': async (bench, host) => {
    await host.disconnect();
    await host.connect(bench.socket);
  },
  'a connection that the host left': async (bench, host) => {
    const old = host.socket;
    await host.connect(bench.socket);
    old?.destroy();
  },
  'another engine': async (bench, host) => {
    await bench.stop();
    await bench.start();
    await host.connect(bench.socket);
  },
};

for (const [name, reconnect] of Object.entries(ways)) {
  t.test(`a write goes on after ${name}`, async (t: Test) => {
    const bench = await memoryBench(t);
    const host = await bench.host();
    const blocked = Promise.withResolvers<void>();
    bench.backend.store = async (n) => {
      if (n > 0) await blocked.promise;
    };
    await host.create(1n, imageId('image'));
    await host.write(1n, 0, 0, chunk(0));
    await host.notice('SLOT_FREE', { slot: 0 });
    await host.write(1n, 1, 1, chunk(1));
    await host.write(1n, 2, 2, chunk(2));
    await host.ask('SLOT_WANT', { handle: 1n, chunk: 3n, slot: 3 });
    host.arena.slot(3).set(chunk(3).subarray(0, 1000));
    blocked.resolve();
    bench.backend.store = async () => undefined;
    host.notices.length = 0;
    await reconnect(bench, host);
    t.equal(bench.backend.live, 0, 'nothing of the old connection is left when the new one is answered');

    const server = host.openServer();
    const slots = [
      { slot: 2, chunk: 2n },
      { slot: 1, chunk: 1n },
      { slot: 3, chunk: 3n, state: ATTACH_SLOT.FILLING, length: 1000 },
    ];
    const attached = host.ask('IMAGE_ATTACH', attachOf(slots), true);
    const flushed = host.ask('IMAGE_FLUSH', { handle: 1n }, true);
    await server;
    t.equal((await attached).state, 0);
    await flushed;
    await host.notice('SLOT_FREE', { slot: 1 });
    await host.notice('SLOT_FREE', { slot: 2 });
    host.arena.slot(3).set(chunk(3));
    host.tell('SLOT_FULL', { handle: 1n, chunk: 3n, slot: 3, length: MIB, flags: 0 });
    await host.ask('IMAGE_CLOSE', { handle: 1n, mode: 1, size: BigInt(4 * MIB) });
    t.ok((await host.restore(2n, imageId('image'))).equals(data));
    t.equal(bench.engine?.services.usage.size, 0);
  });
}

t.test('a close that was done but not answered is answered again', async (t) => {
  promise({
    row: 'restart',
    promise: 'What was done but not answered is answered again by the next engine',
    fault: 'the connection breaks before the answer to close',
  });
  const bench = await memoryBench(t);
  const host = await bench.host();
  await host.create(1n, imageId('image'));
  await host.write(1n, 0, 0, chunk(0));
  await host.ask('IMAGE_CLOSE', { handle: 1n, mode: 1, size: BigInt(MIB) });
  await host.disconnect();
  await host.connect(bench.socket);
  await host.openServer();
  const attached = host.ask('IMAGE_ATTACH', attachOf([{}]), true);
  const closed = host.ask('IMAGE_CLOSE', { handle: 1n, mode: 1, size: BigInt(MIB) }, true);
  t.equal((await attached).state, 1);
  t.match((await closed).report, /state=complete/);
  t.equal(bench.engine?.services.usage.size, 0);
});

t.test('a create that was done but not answered is answered again', async (t) => {
  const bench = await memoryBench(t);
  const host = await bench.host();
  await host.create(1n, imageId('image'));
  await host.disconnect();
  await host.connect(bench.socket);
  await host.openServer();
  t.match(await host.create(1n, imageId('image'), {}, true), { first_chunk: 0n });
  const other = await bench.host();
  await refuses(t, other.create(1n, imageId('image'), {}, true), 'BUSY', 'sent again or not, it is another’s');
});

t.test('an attach that fails leaves a handle that only closes', async (t) => {
  const bench = await memoryBench(t);
  const host = await bench.host();
  await host.create(1n, imageId('image'));
  bench.backend.images.clear();
  await host.disconnect();
  await host.connect(bench.socket);
  await host.openServer();
  await refuses(t, host.ask('IMAGE_ATTACH', attachOf([{}]), true), 'NOT_FOUND');
  await refuses(t, host.ask('SLOT_WANT', { handle: 1n, chunk: 1n, slot: 4 }), 'NOT_FOUND');
  host.tell('SLOT_RETURN', { handle: 1n, slot: 0 });
  await refuses(t, host.ask('IMAGE_CLOSE', { handle: 1n, mode: 1, size: 0n }), 'NOT_FOUND');
  await refuses(t, host.ask('IMAGE_CLOSE', { handle: 1n, mode: 3, size: 0n }), 'INVALID', 'and then there is none');
  t.equal(bench.engine?.services.usage.size, 0);
});

t.test('a reader goes on', async (t) => {
  const bench = await memoryBench(t);
  const host = await bench.host();
  await host.backup(1n, imageId('image'), data);
  await host.openRead(2n, imageId('image'));
  await host.ask('IMAGE_READ', { handle: 2n, offset: 0n, length: MIB, slot: 5, hint: 0 });
  await host.disconnect();
  await host.connect(bench.socket);
  await host.openServer();
  const read = { handle: 2n, mode: OPEN_MODE.READ, journal: 0xffff_ffff };
  const slot = { slot: 5, state: ATTACH_SLOT.READ, length: MIB };
  t.equal((await host.ask('IMAGE_ATTACH', attachOf([slot], read), true)).state, 0);
  await host.ask('IMAGE_READ', { handle: 2n, offset: BigInt(MIB), length: MIB, slot: 6, hint: 0 });
  t.ok(Buffer.from(host.arena.slot(6)).equals(chunk(1)));
  host.tell('SLOT_RETURN', { handle: 2n, slot: 5 });
  await host.ask('IMAGE_READ', { handle: 2n, offset: 0n, length: 512, slot: 5, hint: 0 });
  await host.ask('IMAGE_CLOSE', { handle: 2n, mode: 4, size: 0n });
});

t.test('nothing of a session touches its memory after its end', async (t) => {
  const bench = await memoryBench(t);
  const host = await bench.host();
  const blocked = Promise.withResolvers<void>();
  bench.backend.store = () => blocked.promise;
  await host.create(1n, imageId('image'));
  await host.write(1n, 0, 0, chunk(0));
  const again = host.disconnect().then(() => host.connect(bench.socket));
  let answered = false;
  void again.then(() => {
    answered = true;
  });
  for (let turn = 0; turn < 100; turn += 1) await tick();
  t.equal(answered, false, 'the new hello waits for the old work');
  blocked.resolve();
  await again;
  t.equal(bench.backend.live, 0);
});

t.test('a drain lets commits end and leaves the rest to the next engine', async (t) => {
  const bench = await memoryBench(t);
  const host = await bench.host();
  const blocked = Promise.withResolvers<void>();
  await host.create(1n, imageId('image'));
  await host.create(2n, imageId('other'));
  await host.write(1n, 0, 0, chunk(0));
  bench.backend.store = () => blocked.promise;
  await host.write(1n, 1, 1, chunk(1));
  const closed = host.ask('IMAGE_CLOSE', { handle: 1n, mode: 1, size: BigInt(2 * MIB) });
  await host.ask('PING', {});
  const stopped = bench.stop();
  await host.ask('PING', {});
  const late = host.create(3n, imageId('late'));
  await t.rejects(bench.stranger().connect(bench.socket), 'nobody new is let in');
  blocked.resolve();
  t.match((await closed).report, /state=complete/);
  await t.rejects(late, 'not answered: it is the next engine’s');
  await stopped;
  bench.backend.store = async () => undefined;
  await bench.start();
  await host.connect(bench.socket);
  await host.openServer();
  await host.ask('IMAGE_ATTACH', attachOf([], { handle: 2n, id: imageId('other') }), true);
  await host.create(3n, imageId('late'), {}, true);
  await host.write(2n, 0, 0, chunk(0));
  await host.ask('IMAGE_CLOSE', { handle: 2n, mode: 1, size: BigInt(MIB) });
});
