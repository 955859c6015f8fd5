import fc from 'fast-check';
import t, { type Test } from 'tap';
import { encodeFrame } from '../../src/ost/wire/frame.ts';
import { promise } from '../support/promise.ts';
import { held, memoryBench } from './support/engine.ts';
import { closing, type Host, imageId } from './support/host.ts';

const MIB = 1024 * 1024;
/** Far more than an ending takes: it waits for the disk, which may be busy with what other tests write. */
const PATIENCE_MS = 60_000;

/** Resolves when the engine has come to rest; another host's pings are answered meanwhile. */
async function settles(host: Host, rested: () => boolean, what: () => unknown): Promise<void> {
  for (const began = performance.now(); !rested(); ) {
    if (performance.now() - began > PATIENCE_MS)
      throw new Error(`the engine does not come to rest: ${JSON.stringify(what())}`);
    await host.ask('PING', {});
  }
}

/** What is sent must end the connection, and nothing but it. */
async function ends(t: Test, name: string, prepare: (host: Host) => Promise<void>, send: (host: Host) => void) {
  await t.test(name, async (t) => {
    const bench = await memoryBench(t);
    const before = held().arenas;
    const host = await bench.host();
    const other = await bench.host();
    await prepare(host);
    const { socket } = host;
    send(host);
    await closing(socket);
    await other.ask('PING', {});
    await settles(
      other,
      () => bench.engine?.sessions === 1,
      () => bench.engine?.sessions,
    );
    t.equal(bench.backend.live, 0);
    t.equal(held().arenas - before, 3, 'the engine has only the other host’s memory mapped');
    t.equal(bench.engine?.services.counters.faults, 1);
  });
}

const nothing = async (): Promise<void> => undefined;
const created = async (host: Host): Promise<void> => {
  await host.create(1n, imageId('x'));
};
const filling = async (host: Host): Promise<void> => {
  await created(host);
  await host.ask('SLOT_WANT', { handle: 1n, chunk: 0n, slot: 0 });
};
const full = { handle: 1n, chunk: 0n, slot: 0, length: MIB, flags: 0 };
const ask = (id: number) => encodeFrame({ kind: 'request', name: 'PING', id, resend: false, value: {} });

t.test('frames that break the protocol end the connection', async (t) => {
  promise({
    row: 'security',
    promise: 'Messages that break the protocol end their connection, and nothing else',
    fault: 'broken frames, lengths, types',
  });
  await ends(t, 'rubbish', nothing, (host) => host.raw(Buffer.alloc(64, 0xff)));
  await ends(t, 'a length of 0', nothing, (host) => host.raw(Buffer.alloc(12)));
  await ends(t, 'an unknown type', nothing, (host) => {
    const frame = ask(9);
    frame.writeUInt16LE(0x7fff, 4);
    host.raw(frame);
  });
  await ends(t, 'a second hello', nothing, (host) => {
    const value = host.hello();
    host.raw(encodeFrame({ kind: 'request', name: 'HELLO', id: 7, resend: false, value }));
  });
  await ends(t, 'an answer', nothing, (host) =>
    host.raw(encodeFrame({ kind: 'answer', name: 'PING', id: 7, value: {} })),
  );
  await ends(t, 'the engine’s own notice', nothing, (host) => host.tell('SLOT_FREE', { handle: 1n, slot: 0 }));
  const wait = { server: 1n, after: 0n, timeout_ms: 60_000, max: 1 };
  const waiting = (id: number) => encodeFrame({ kind: 'request', name: 'EVENT_GET', id, resend: false, value: wait });
  await ends(t, 'an id in use', nothing, (host) => host.raw(Buffer.concat([waiting(90), waiting(90)])));
  await ends(t, 'too many requests', nothing, (host) => {
    for (let id = 100; id < 100 + 1025; id += 1) host.raw(waiting(id));
  });
  await ends(t, 'a slot that does not exist', created, (host) => {
    void host.ask('SLOT_WANT', { handle: 1n, chunk: 0n, slot: 16 });
  });
  await ends(t, 'a slot that is not free', filling, (host) => {
    void host.ask('SLOT_WANT', { handle: 1n, chunk: 1n, slot: 0 });
  });
  await ends(t, 'a slot that was not granted', created, (host) => host.tell('SLOT_FULL', full));
  await ends(t, 'a slot of another chunk', filling, (host) => host.tell('SLOT_FULL', { ...full, chunk: 1n }));
  await ends(t, 'a short chunk that is not the last', filling, (host) =>
    host.tell('SLOT_FULL', { ...full, length: 512 }),
  );
  await ends(t, 'a length beyond the chunk', filling, (host) =>
    host.tell('SLOT_FULL', { ...full, length: MIB + 512, flags: 1 }),
  );
  await ends(t, 'a length that is no multiple of 512', filling, (host) =>
    host.tell('SLOT_FULL', { ...full, length: 513, flags: 1 }),
  );
});

t.test('random scripts of well-formed messages never harm another session', async (t) => {
  promise({
    row: 'security',
    promise: 'No script of messages harms another session',
    fault: 'random well-formed messages (fast-check)',
  });
  const bench = await memoryBench(t);
  const victim = await bench.host();
  const handle = fc.bigInt({ min: 0n, max: 3n });
  const slot = fc.nat(17);
  const message = fc.oneof(
    fc.record({ name: fc.constant('create'), handle, journal: fc.nat(9), image: fc.nat(3) }),
    fc.record({ name: fc.constant('want'), handle, slot, chunk: fc.bigInt({ min: 0n, max: 5n }) }),
    fc.record({ name: fc.constant('full'), handle, slot, chunk: fc.bigInt({ min: 0n, max: 5n }) }),
    fc.record({ name: fc.constant('return'), handle, slot }),
    fc.record({ name: fc.constant('read'), handle, slot }),
    fc.record({ name: fc.constant('meta'), handle, slot }),
    fc.record({ name: fc.constant('close'), handle, mode: fc.nat(5) }),
    fc.record({ name: fc.constant('open'), handle, mode: fc.nat(3), image: fc.nat(3) }),
    fc.record({ name: fc.constant('delete'), image: fc.nat(3) }),
  );
  type Message = typeof message extends fc.Arbitrary<infer M> ? M : never;
  const play = (host: Host, one: Message): void => {
    const many = one as unknown as {
      handle: bigint;
      slot: number;
      chunk: bigint;
      mode: number;
      image: number;
      journal: number;
    };
    const { handle, slot, chunk, mode, image, journal } = many;
    const id = imageId(`image ${image}`);
    if (one.name === 'create') void host.create(handle, id, { journal });
    if (one.name === 'want') void host.ask('SLOT_WANT', { handle, chunk, slot });
    if (one.name === 'full') host.tell('SLOT_FULL', { handle, chunk, slot, length: MIB, flags: 0 });
    if (one.name === 'return') host.tell('SLOT_RETURN', { handle, slot });
    if (one.name === 'read') void host.ask('IMAGE_READ', { handle, offset: 0n, length: 4096, slot, hint: 0 });
    if (one.name === 'meta') void host.ask('META_WRITE', { handle, index: 0, slot, length: 100 });
    if (one.name === 'close') void host.ask('IMAGE_CLOSE', { handle, mode, size: 0n });
    if (one.name === 'open') void host.ask('IMAGE_OPEN', { handle, server: 1n, lsu: 'lsu', id, mode, journal: 1 });
    if (one.name === 'delete') void host.ask('IMAGE_DELETE', { server: 1n, lsu: 'lsu', id, flags: 0 });
  };
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 40 }), async (script) => {
      const host = await bench.host();
      for (const one of script) play(host, one);
      await Promise.race([host.ask('PING', {}), closing(host.socket)]).catch(() => undefined);
      await host.disconnect();
      // A deletion that has begun is finished after the session's end.
      const left = () => [bench.engine?.sessions, bench.engine?.services.usage.size];
      await settles(
        victim,
        () => left().join() === '1,0',
        () => left(),
      );
      return bench.backend.live === 0;
    }),
    { numRuns: 400 },
  );
});
