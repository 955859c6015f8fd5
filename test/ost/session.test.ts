import { fstatSync } from 'node:fs';
import { setImmediate as tick } from 'node:timers/promises';
import t from 'tap';
import { bridge } from '../../src/bridge/bridge.ts';
import { EngineError } from '../../src/errors.ts';
import { encodeFrame } from '../../src/ost/wire/frame.ts';
import { promise } from '../support/promise.ts';
import { memoryBench } from './support/engine.ts';
import { imageId, refuses } from './support/host.ts';

const MIB = 1024 * 1024;
const bytes = (length: number, seed: number): Buffer => Buffer.alloc(length, Buffer.from([seed, 1, 2, 3, seed]));

t.test('a backup and a restore through slots', async (t) => {
  const bench = await memoryBench(t);
  const host = await bench.host();
  const data = bytes(5 * MIB + 1024, 7);
  const report = await host.backup(1n, imageId('first'), data);
  t.match(report, /engine=.* image=first_1700000000_[0-9a-f]{16} lsu=lsu state=complete size=5243904 .*slots=6/);
  t.ok((await host.restore(2n, imageId('first'))).equals(data));
  t.equal(bench.backend.live, 0);
  t.equal(bench.engine?.services.usage.size, 0);
  t.equal(bench.engine?.services.memory.waiting, 0);
  t.notMatch(bench.log.join(''), /hush/, 'secrets stay out of the log');
});

t.test('images that open at the same moment share the memory for slots', async (t) => {
  const reserve = 64 * MIB;
  const bench = await memoryBench(t, { chunkMib: 16, budget: 256 * MIB, reserve });
  const host = await bench.host({ slotBytes: 16 * MIB, slotCount: 64 });
  const numbers = Array.from({ length: 8 }, (_, at) => BigInt(at + 1));
  const chunks = await Promise.all(
    numbers.map(async (number) => (await host.create(number, imageId(`image ${number}`))).chunk_bytes),
  );
  const sum = chunks.reduce((total, chunk) => total + 2 * chunk, 0);
  t.ok(sum <= 1.5 * reserve, `two chunks of each have ${sum / MIB} MiB: ${chunks.map((chunk) => chunk / MIB)}`);
  for (const number of numbers) await host.ask('IMAGE_CLOSE', { handle: number, mode: 3, size: 0n });
  t.equal(bench.engine?.services.usage.writing, 0);
});

t.test('a handle’s calls that need no waiting keep their order behind its opening', async (t) => {
  const bench = await memoryBench(t);
  const host = await bench.host();
  const opened = host.create(1n, imageId('order'));
  const granted = host.ask('SLOT_WANT', { handle: 1n, chunk: 0n, slot: 3 });
  const closed = host.ask('IMAGE_CLOSE', { handle: 1n, mode: 3, size: 0n });
  const late = host.ask('IMAGE_FLUSH', { handle: 1n });
  t.equal((await opened).window, 8);
  await refuses(t, granted, 'ABORTED', 'a slot request that waits when the close comes');
  t.match((await closed).report, /state=abandon/);
  await refuses(t, late, 'ABORTED');
  // The number of the slot is free again.
  await host.create(2n, imageId('order 2'));
  t.equal((await host.ask('SLOT_WANT', { handle: 2n, chunk: 0n, slot: 3 })).present, 0);
});

t.test('a close that is refused leaves the image that has the number', async (t) => {
  const bench = await memoryBench(t);
  const host = await bench.host();
  // Nothing has the number when the close comes; its refusal is on its way while the image is made.
  const early = host.ask('IMAGE_CLOSE', { handle: 1n, mode: 3, size: 0n });
  const opened = host.create(1n, imageId('one'));
  await refuses(t, early, 'INVALID');
  await opened;
  await host.write(1n, 0, 0, bytes(MIB, 1));
  await host.ask('IMAGE_FLUSH', { handle: 1n });

  const blocked = Promise.withResolvers<void>();
  bench.backend.store = () => blocked.promise;
  await host.write(1n, 1, 1, bytes(MIB, 2));
  const closed = host.ask('IMAGE_CLOSE', { handle: 1n, mode: 1, size: BigInt(2 * MIB) });
  await refuses(t, host.ask('IMAGE_CLOSE', { handle: 1n, mode: 1, size: 0n }), 'INVALID', 'one close at a time');
  await refuses(t, host.create(1n, imageId('two')), 'INVALID', 'the number is taken as long as the close runs');
  blocked.resolve();
  t.match((await closed).report, /state=complete/);
  t.equal(bench.backend.live, 0);
  await host.create(1n, imageId('two'));
});

t.test('a late error comes as a notice, once, and the slots come back', async (t) => {
  const bench = await memoryBench(t);
  const gate = Promise.withResolvers<void>();
  bench.backend.store = async () => {
    await gate.promise;
    throw Object.assign(new Error('boom'), { code: 'EIO' });
  };
  const host = await bench.host();
  await host.create(1n, imageId('late'));
  await host.write(1n, 0, 0, bytes(MIB, 1));
  await host.write(1n, 1, 1, bytes(MIB, 2));
  const waiting = host.ask('SLOT_WANT', { handle: 1n, chunk: 2n, slot: 2 });
  await waiting;
  gate.resolve();
  const { result, cause } = await host.notice('IMAGE_ERROR', { handle: 1n });
  t.match(cause, /VOST_DOUBLE/);
  t.equal(result, 10);
  await host.notice('SLOT_FREE', { slot: 0 });
  await host.notice('SLOT_FREE', { slot: 1 });
  host.tell('SLOT_FULL', { handle: 1n, chunk: 2n, slot: 2, length: MIB, flags: 0 });
  await host.notice('SLOT_FREE', { slot: 2 });
  await refuses(t, host.ask('SLOT_WANT', { handle: 1n, chunk: 3n, slot: 4 }), 'INTERNAL');
  await refuses(t, host.ask('IMAGE_CLOSE', { handle: 1n, mode: 1, size: 3n * BigInt(MIB) }), 'INTERNAL');
  t.equal(bench.backend.live, 0, 'the handle ended');
  t.strictSame(host.notices, [], 'and told its error once');
});

t.test('a close tells the error itself', async (t) => {
  const bench = await memoryBench(t);
  const gate = Promise.withResolvers<void>();
  bench.backend.store = async () => {
    await gate.promise;
    throw new Error('boom');
  };
  const host = await bench.host();
  await host.create(1n, imageId('close'));
  await host.write(1n, 0, 0, bytes(MIB, 1));
  const closed = host.ask('IMAGE_CLOSE', { handle: 1n, mode: 1, size: BigInt(MIB) });
  await host.ask('PING', {});
  gate.resolve();
  await refuses(t, closed, 'INTERNAL');
  t.notOk(host.notices.some(({ name }) => name === 'IMAGE_ERROR'));
});

t.test('incomplete, then continued by another host with the stored tail', async (t) => {
  const bench = await memoryBench(t);
  const first = await bench.host();
  const data = bytes(3 * MIB, 9);
  await first.create(1n, imageId('two'));
  await first.write(1n, 0, 0, data.subarray(0, MIB));
  await first.write(1n, 1, 1, data.subarray(MIB, MIB + 512), true);
  const size = BigInt(MIB + 512);
  await first.ask('IMAGE_CLOSE', { handle: 1n, mode: 2, size });

  const second = await bench.host();
  await refuses(t, second.openRead(5n, imageId('two')), 'NOT_FOUND', 'not readable');
  await refuses(t, second.create(6n, imageId('two')), 'EXISTS');
  const write = { handle: 1n, server: 1n, lsu: 'lsu', id: imageId('two'), mode: 2, journal: 0 };
  const opened = await second.ask('IMAGE_OPEN', write);
  t.match(opened, { first_chunk: 1n, info: { size, flags: 5 } });
  await refuses(t, first.ask('IMAGE_OPEN', { ...write, handle: 9n }), 'BUSY');
  await second.write(1n, 1, 4, data.subarray(MIB, 2 * MIB));
  await second.write(1n, 2, 5, data.subarray(2 * MIB));
  await second.ask('IMAGE_CLOSE', { handle: 1n, mode: 1, size: BigInt(3 * MIB) });
  t.ok((await first.restore(2n, imageId('two'))).equals(data));
  await refuses(t, second.ask('IMAGE_OPEN', { ...write, handle: 3n }), 'READ_ONLY');
});

t.test('chunks out of order, and a slot given back', async (t) => {
  const bench = await memoryBench(t);
  const host = await bench.host();
  const data = bytes(4 * MIB, 3);
  await host.create(1n, imageId('mixed'));
  for (const chunk of [3, 1, 0]) await host.write(1n, chunk, chunk, data.subarray(chunk * MIB, (chunk + 1) * MIB));
  await host.ask('SLOT_WANT', { handle: 1n, chunk: 2n, slot: 9 });
  host.tell('SLOT_RETURN', { handle: 1n, slot: 9 });
  await host.write(1n, 2, 9, data.subarray(2 * MIB, 3 * MIB));
  await host.ask('IMAGE_FLUSH', { handle: 1n });
  await host.ask('IMAGE_CLOSE', { handle: 1n, mode: 1, size: BigInt(4 * MIB) });
  t.ok((await host.restore(2n, imageId('mixed'))).equals(data));
});

t.test('blobs', async (t) => {
  const bench = await memoryBench(t);
  const host = await bench.host();
  await host.create(1n, imageId('blobs'));
  host.arena.slot(2).set(Buffer.from('some text'));
  await host.ask('META_WRITE', { handle: 1n, index: 0, slot: 2, length: 9 });
  await host.ask('META_WRITE', { handle: 1n, index: 63, slot: 2, length: 0 });
  await refuses(t, host.ask('META_WRITE', { handle: 1n, index: 64, slot: 2, length: 1 }), 'INVALID');
  await refuses(t, host.ask('META_WRITE', { handle: 1n, index: 1, slot: 2, length: 2 * MIB }), 'INVALID');
  await host.ask('IMAGE_CLOSE', { handle: 1n, mode: 1, size: 0n });
  await host.openRead(2n, imageId('blobs'));
  t.equal((await host.ask('META_READ', { handle: 2n, index: 0, slot: 5 })).length, 9);
  t.equal(Buffer.from(host.arena.slot(5).subarray(0, 9)).toString(), 'some text');
  t.equal((await host.ask('META_READ', { handle: 2n, index: 63, slot: 5 })).length, 0, 'the slot is free again');
  await refuses(t, host.ask('META_READ', { handle: 2n, index: 1, slot: 5 }), 'NOT_FOUND');
  await refuses(t, host.ask('META_WRITE', { handle: 2n, index: 1, slot: 5, length: 1 }), 'INVALID');
});

t.test('delete is refused while somebody uses the image', async (t) => {
  const bench = await memoryBench(t);
  const host = await bench.host();
  const name = { server: 1n, lsu: 'lsu', id: imageId('used') };
  await host.create(1n, imageId('used'));
  await refuses(t, host.ask('IMAGE_DELETE', { ...name, flags: 0 }), 'BUSY', 'written');
  await host.ask('IMAGE_CLOSE', { handle: 1n, mode: 1, size: 0n });
  await host.openRead(2n, imageId('used'));
  t.match(await host.ask('IMAGE_PROP_BYNAME', name), { info: { flags: 2 | 8 } });
  await refuses(t, host.ask('IMAGE_DELETE', { ...name, flags: 0 }), 'BUSY', 'read');
  await host.ask('IMAGE_CLOSE', { handle: 2n, mode: 4, size: 0n });
  await host.ask('IMAGE_DELETE', { ...name, flags: 1 });
  await refuses(t, host.ask('IMAGE_PROP_BYNAME', name), 'NOT_FOUND');
  while (bench.engine?.services.usage.size !== 0) await tick();
  await refuses(t, host.ask('IMAGE_DELETE', { ...name, flags: 0 }), 'NOT_FOUND');
  await t.resolves(host.ask('IMAGE_DELETE', { ...name, flags: 0 }, true), 'sent again: done is done');
  const page = await host.ask('EVENT_GET', { server: 1n, after: 0n, timeout_ms: 0, max: 64 });
  t.match(page.events, [
    { type: 4, lsu: 'lsu', image: { basename: 'used' } },
    { type: 3, lsu: 'lsu', image: { basename: 'used' } },
  ]);
});

t.test('what a host sends after the opening of a server that must be looked for waits for it', async (t) => {
  const bench = await memoryBench(t);
  const host = bench.stranger();
  await host.connect(bench.socket);
  const servers = bench.engine?.services.servers;
  if (servers === undefined) throw new Error('no engine');
  const found = Promise.withResolvers<void>();
  const find = t.capture(servers, 'find', (name: string) => found.promise.then(() => servers.get(name)));
  const opened = host.openServer();
  const created = host.create(1n, imageId('image'));
  const written = created.then(() => host.write(1n, 0, 0, bytes(MIB, 1)));
  const listed = host.ask('LSU_LIST', { server: 1n, max: 9, cursor: '' });
  await host.ask('PING', {});
  t.equal(find().length, 1);
  found.resolve();
  await Promise.all([opened, created, written]);
  t.match((await listed).names, [{ name: 'lsu' }, { name: 'other' }]);

  const never = Promise.withResolvers<never>();
  t.capture(servers, 'find', () => never.promise);
  const lost = host.openServer();
  const waits = host.ask('LSU_LIST', { server: 1n, max: 9, cursor: '' });
  await host.ask('PING', {});
  never.reject(new EngineError('VOST_NOT_FOUND', 'not-found', 'nowhere'));
  await t.rejects(lost);
  t.match((await waits).names, [{ name: 'lsu' }, { name: 'other' }], 'what waited goes on all the same');
});

t.test('what a host may not do is said, and the session goes on', async (t) => {
  const bench = await memoryBench(t, { engine: 'max_handles = 2' });
  const host = await bench.host();
  const { message } = await refuses(t, host.openServer(2n, 'VastData:other'), 'NOT_FOUND');
  t.match(message, /\[server NAME\]/);
  await refuses(t, host.openServer(2n, 'test'), 'NOT_FOUND');
  await refuses(t, host.openServer(0n), 'INVALID');
  await refuses(t, host.create(1n, imageId('x'), { server: 9n }), 'INVALID');
  await refuses(t, host.create(1n, imageId('x'), { lsu: 'nowhere' }), 'NOT_FOUND');
  await refuses(t, host.create(1n, imageId('x'), { lsu: '../up' }), 'INVALID');
  await refuses(t, host.create(1n, imageId('')), 'INVALID');
  await refuses(t, host.create(1n, imageId('\udcff')), 'INVALID', 'not UTF-8');
  await refuses(t, host.create(1n, imageId('x'), { journal: 8 }), 'INVALID');
  await refuses(t, host.create(0n, imageId('x')), 'INVALID');
  await host.create(1n, imageId('x'));
  await refuses(t, host.create(1n, imageId('y')), 'INVALID', 'the number is in use');
  await refuses(t, host.create(2n, imageId('y'), { journal: 1 }), 'INVALID', 'the journal region is in use');
  await host.create(2n, imageId('y'));
  await refuses(t, host.create(3n, imageId('z')), 'LIMIT');
  await refuses(t, host.ask('SLOT_WANT', { handle: 1n, chunk: 1n << 60n, slot: 1 }), 'INVALID');
  await refuses(t, host.ask('IMAGE_READ', { handle: 1n, offset: 0n, length: 1, slot: 1, hint: 0 }), 'INVALID');
  await refuses(t, host.ask('IMAGE_CLOSE', { handle: 1n, mode: 9, size: 0n }), 'INVALID');
  await refuses(t, host.ask('IMAGE_CLOSE', { handle: 2n, mode: 1, size: 1n << 63n }), 'INVALID');
  t.equal(bench.backend.live, 0, 'a close that makes no sense ends the handle all the same');
  await t.resolves(host.ask('PING', {}));
});

t.test('a thousand images open at once, and a thousand slot requests', async (t) => {
  promise({
    row: 'limits',
    promise: 'A thousand open images and as many requests for slots are served',
    fault: '1,000 handles in one session',
  });
  const bench = await memoryBench(t, { engine: 'max_handles = 2000', budget: 8 * MIB });
  const host = await bench.host({ slotCount: 4096 });
  const warnings: unknown[] = [];
  const onWarning = (warning: unknown): void => void warnings.push(warning);
  process.on('warning', onWarning);
  t.teardown(() => process.off('warning', onWarning));
  await host.backup(5000n, imageId('old'), Buffer.alloc(512));
  const handles = Array.from({ length: 1000 }, (_, n) => BigInt(n + 1));
  for (const handle of handles) await host.openRead(handle, imageId('old'));
  await Promise.all(
    handles.map((handle) => host.ask('IMAGE_READ', { handle, offset: 0n, length: 512, slot: Number(handle), hint: 0 })),
  );
  await host.create(2001n, imageId('new'));
  const wants = [0, 1, 2, 3].map((n) => host.ask('SLOT_WANT', { handle: 2001n, chunk: BigInt(n), slot: 2000 + n }));
  await Promise.all(wants);
  t.equal(bench.backend.live, 1001);
  await Promise.all(handles.map((handle) => host.ask('IMAGE_CLOSE', { handle, mode: 4, size: 0n })));
  await host.disconnect();
  await host.connect(bench.socket);
  t.equal(bench.backend.live, 0);
  t.strictSame(warnings, []);
});

t.test('ranges of a reader in order meet: each ends where it was asked to', async (t) => {
  const bench = await memoryBench(t);
  const host = await bench.host({ slotBytes: 4 * MIB });
  const data = Buffer.alloc(10 * MIB, 'abcdefg');
  await host.backup(1n, imageId('image'), data);
  const { chunk_bytes: range } = await host.openRead(2n, imageId('image'));
  t.equal(range, 4 * MIB, 'as many chunks as fit a slot');
  for (const [slot, offset] of [0, 4 * MIB, 8 * MIB].entries()) {
    const read = { handle: 2n, offset: BigInt(offset), length: Math.min(range, 10 * MIB - offset), slot, hint: 1 };
    const answer = await host.ask('IMAGE_READ', read);
    t.match(answer, { start: BigInt(offset), length: read.length, slot_offset: 0 });
  }
  host.tell('SLOT_RETURN', { handle: 2n, slot: 0 });
  const answer = await host.ask('IMAGE_READ', { handle: 2n, offset: 0n, length: 2 * MIB, slot: 0, hint: 1 });
  t.equal(answer.length, 2 * MIB, 'no more than that, whatever fits the slot');
  await host.ask('IMAGE_CLOSE', { handle: 2n, mode: 4, size: 0n });
});

t.test('pages of a slot are made ahead for reads in order, once for each opened image', async (t) => {
  const bench = await memoryBench(t);
  const host = await bench.host({ slotBytes: 4 * MIB });
  await host.backup(1n, imageId('image'), Buffer.alloc(MIB));
  const none = fstatSync(host.memfd).blocks;
  // As many pages as were asked for, though the image ends before.
  const readTo = async (handle: bigint, slot: number, hint: number): Promise<number> => {
    const before = fstatSync(host.memfd).blocks;
    await host.ask('IMAGE_READ', { handle, offset: 0n, length: 4 * MIB, slot, hint });
    host.tell('SLOT_RETURN', { handle, slot });
    return (fstatSync(host.memfd).blocks - before) * 512;
  };
  await host.openRead(2n, imageId('image'));
  t.equal(await readTo(2n, 8, 1), 4 * MIB);
  t.equal(await readTo(2n, 8, 1), 0);
  t.equal(await readTo(2n, 9, 0), MIB, 'scattered: what is there and no more');
  await host.ask('IMAGE_CLOSE', { handle: 2n, mode: 4, size: 0n });
  for (const slot of [8, 9]) bridge.trimSlab(host.arena.slot(slot).buffer as ArrayBuffer);
  t.ok(fstatSync(host.memfd).blocks <= none);
  await host.openRead(3n, imageId('image'));
  t.equal(await readTo(3n, 8, 1), 4 * MIB, 'the host has given them back');
  await host.ask('IMAGE_CLOSE', { handle: 3n, mode: 4, size: 0n });
});

t.test('a host that does not read its answers is cut off', async (t) => {
  promise({
    row: 'limits',
    promise: 'A host that does not read its answers is cut off',
    fault: 'a socket that is never read',
  });
  const bench = await memoryBench(t);
  const host = await bench.host();
  const { socket } = host;
  socket?.pause();
  const ask = (id: number) =>
    encodeFrame({ kind: 'request', name: 'CONFIG_GET', id, resend: false, value: { server: 1n } });
  for (let id = 100; bench.engine?.sessions === 1; id += 1) {
    host.raw(ask(id));
    if (id % 100 === 0) await tick();
  }
  t.equal(bench.engine?.sessions, 0);
});
