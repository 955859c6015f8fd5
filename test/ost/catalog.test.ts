import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import t from 'tap';
import { encodeManifest } from '../../src/image/manifest.ts';
import { imagePrefix, MANIFEST } from '../../src/image/names.ts';
import { EventLog } from '../../src/ost/events/event-log.ts';
import { StorageServer } from '../../src/ost/storage-server.ts';
import { EVENT_TYPE, IMAGE_FLAG } from '../../src/ost/wire/constants.ts';
import { UNKNOWN } from '../../src/ost/wire/kinds.ts';
import { wireOfIdentity } from '../../src/ost/wire-identity.ts';
import { MemoryStorage } from '../../src/vast/memory/storage.ts';
import { memoryBench } from './support/engine.ts';
import { imageId, refuses } from './support/host.ts';

const MIB = 1024 * 1024;

t.test('servers and LSUs', async (t) => {
  const bench = await memoryBench(t);
  const host = await bench.host();
  const byName = await host.ask('SERVER_PROP', { server: 0n, name: 'VastData:test' });
  t.match(byName, { name: 'VastData:test', max_handles: 1024 });
  t.equal(byName.capabilities, 127n);
  t.strictSame(await host.ask('SERVER_PROP', { server: 1n, name: '' }), byName);
  const page = await host.ask('LSU_LIST', { server: 1n, max: 1, cursor: '' });
  t.strictSame(page, { cursor: 'lsu', names: [{ name: 'lsu' }] });
  const rest = await host.ask('LSU_LIST', { server: 1n, max: 300, cursor: page.cursor });
  t.strictSame(rest, { cursor: '', names: [{ name: 'other' }] });
  await refuses(t, host.ask('LSU_LIST', { server: 1n, max: 0, cursor: '' }), 'INVALID');

  const info = await host.ask('LSU_PROP', { server: 1n, lsu: 'lsu' });
  t.match(info, { name: 'lsu', label: '', flags: 27n, images: UNKNOWN });
  t.match(info.description, /^a label: file:/);
  t.ok(info.capacity > info.used && info.used > 0n);
  await refuses(t, host.ask('LSU_PROP', { server: 1n, lsu: 'nowhere' }), 'NOT_FOUND');
  await host.ask('LSU_LABEL', { server: 1n, lsu: 'lsu', label: 'Straße 1' });
  t.equal((await host.ask('LSU_PROP', { server: 1n, lsu: 'lsu' })).label, 'Straße 1');
  await refuses(t, host.ask('LSU_LABEL', { server: 1n, lsu: 'lsu', label: 'a\nb' }), 'INVALID');
  await host.ask('SERVER_CLOSE', { server: 1n });
  await refuses(t, host.ask('LSU_PROP', { server: 1n, lsu: 'lsu' }), 'INVALID');

  await bench.stop();
  await bench.start();
  await host.connect(bench.socket);
  await host.openServer();
  t.equal((await host.ask('LSU_PROP', { server: 1n, lsu: 'lsu' })).label, 'Straße 1', 'for every engine');
});

t.test('images are listed in pages; identities keep all their fields', async (t) => {
  const bench = await memoryBench(t);
  const host = await bench.host();
  const ids = [
    imageId('plain'),
    imageId('plain', { date: '1700000001' }),
    imageId('plain', { fullname: 'another' }),
    imageId('plain', { number1: 4 }),
    imageId('plain', { number1: 4, number2: 1 }),
    imageId('plain', { text1: 'x' }),
    imageId('plain', { text1: 'x', text2: 'y' }),
    imageId('ünï'),
  ];
  let handle = 10n;
  for (const id of ids) {
    handle += 1n;
    await host.backup(handle, id, Buffer.alloc(512));
  }
  const list = async (max: number, kinds = 0) => {
    const found = [];
    for (let cursor = ''; ; ) {
      const page = await host.ask('IMAGE_LIST', { server: 1n, lsu: 'lsu', kinds, max, cursor });
      found.push(...page.images);
      cursor = page.cursor;
      if (cursor === '') return found;
    }
  };
  const key = (id: object) => JSON.stringify(id);
  for (const max of [1, 3, 8, 128, 1000]) {
    const found = await list(max);
    t.strictSame(found.map(({ id }) => key(id)).sort(), ids.map(key).sort(), `pages of ${max}`);
  }
  for (const { id, info } of await list(5)) {
    t.strictSame(await host.ask('IMAGE_PROP_BYNAME', { server: 1n, lsu: 'lsu', id }), { id, info });
    t.match(info, { size: 512n, created: BigInt(id.date), flags: IMAGE_FLAG.CREATED, fragments: 1 });
  }
  t.strictSame(await list(5, IMAGE_FLAG.PENDING), []);
  t.strictSame((await host.ask('IMAGE_LIST', { server: 1n, lsu: 'other', kinds: 0, max: 5, cursor: '' })).images, []);
  const bad = { server: 1n, lsu: 'lsu', kinds: 0, max: 5, cursor: '../x' };
  await refuses(t, host.ask('IMAGE_LIST', bad), 'INVALID');
  await refuses(t, host.ask('IMAGE_LIST', { ...bad, cursor: '', lsu: 'none' }), 'NOT_FOUND');
});

t.test('with 10,000 images a poll and a page cost what they cost with ten', async (t) => {
  const bench = await memoryBench(t);
  const host = await bench.host();
  await host.backup(1n, imageId('model'), Buffer.alloc(512));
  const [kept] = bench.backend.images.values();
  if (kept?.manifest === undefined) throw new Error('no model');
  const bytes = encodeManifest(kept.manifest);
  for (let n = 0; n < 10_000; n += 1) {
    const folder = join(bench.folder, 'store', 'lsu', imagePrefix(`i_1_${n.toString(16).padStart(16, '0')}`));
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, MANIFEST), bytes);
  }
  // The engine that is asked knows nothing yet.
  await bench.stop();
  await bench.start();
  const counts = { list: 0, head: 0 };
  const server = bench.engine?.services.servers.get('VastData:test');
  const store = await server?.storage.open('lsu');
  if (server === undefined || store === undefined) throw new Error('no store');
  server.storage.open = async () =>
    new Proxy(store, {
      get: (target, key) => {
        if (key === 'list' || key === 'listFolders') counts.list += 1;
        if (key === 'head') counts.head += 1;
        const value: unknown = Reflect.get(target, key);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  await host.connect(bench.socket);
  await host.openServer();
  for (let poll = 0; poll < 20; poll += 1) {
    await host.ask('SERVER_PROP', { server: 1n, name: '' });
    await host.ask('LSU_LIST', { server: 1n, max: 256, cursor: '' });
    await host.ask('LSU_PROP', { server: 1n, lsu: 'lsu' });
  }
  t.strictSame(counts, { list: 0, head: 1 }, 'a label is looked for once, nothing is listed');
  const page = await host.ask('IMAGE_LIST', { server: 1n, lsu: 'lsu', kinds: 0, max: 10, cursor: '' });
  t.equal(page.images.length, 10);
  t.equal(counts.list, 1);
  t.ok(counts.head <= 1 + 10, 'a page reads its own records only');
});

t.test('identities that no host can give are not shown', async (t) => {
  const base = { basename: 'a', date: '1', full_name: '', qualifiers: [] as string[] };
  t.match(wireOfIdentity(base), { basename: 'a', number1: 0, text2: '' });
  t.match(wireOfIdentity({ ...base, qualifiers: ['1', '0', '', ''] }), { number1: 1 });
  for (const qualifiers of [
    ['1'],
    ['0', '0', '', ''],
    ['x', '0', '', ''],
    ['01', '0', '', ''],
    ['1', '2', '', '', ''],
  ]) {
    t.equal(wireOfIdentity({ ...base, qualifiers }), undefined, qualifiers.join());
  }
  t.equal(wireOfIdentity({ ...base, qualifiers: ['4294967296', '0', '', ''] }), undefined);
  t.equal(wireOfIdentity({ ...base, basename: 'é'.repeat(128) }), undefined);
});

t.test('configuration', async (t) => {
  const bench = await memoryBench(t);
  const host = await bench.host();
  const get = async () => Buffer.from((await host.ask('CONFIG_GET', { server: 1n })).text).toString();
  const set = (text: string) => host.ask('CONFIG_SET', { server: 1n, text: Buffer.from(text) });
  t.match(await get(), /^name = VastData:test\n(.*\n)*compression = none\nparallel_streams = auto\n/);
  await set('# a comment\ncompression = lz4\n\nparallel_streams = 2\n');
  t.match(await get(), /compression = lz4\nparallel_streams = 2\n/);
  await set('compression = auto\n');
  t.match(await get(), /compression = auto\n/);
  await refuses(t, set('compression = zstd'), 'INVALID');
  await set('compression = lz4\n');
  const { message } = await refuses(t, set('compression = none\nstore = file:/\n'), 'INVALID');
  t.match(message, /line:2: store cannot be changed/);
  await refuses(t, set('parallel_streams = 65'), 'INVALID');
  await set('parallel_streams = auto\n');
  t.match(await get(), /parallel_streams = auto\n/);
  await refuses(t, set('rubbish'), 'INVALID');
  await refuses(t, set('__proto__ = 1'), 'INVALID');
  t.match(await get(), /compression = lz4\n/, 'all lines or none');
});

t.test('events have numbers that grow for ever', async (t) => {
  const bench = await memoryBench(t);
  const host = await bench.host();
  const get = (after: bigint, timeout = 0, max = 64) =>
    host.ask('EVENT_GET', { server: 1n, after, timeout_ms: timeout, max });
  t.strictSame(await get(0n), { latest: 0n, events: [] });
  const waiting = get(0n, 60_000);
  await host.ask('LSU_LABEL', { server: 1n, lsu: 'lsu', label: 'one' });
  t.match(await waiting, { latest: 1n, events: [{ sequence: 1n, type: 2, lsu: 'lsu' }] });
  t.match(await get(1n, 1), { latest: 1n, events: [] });
  await bench.stop();
  await bench.start();
  await host.connect(bench.socket);
  await host.openServer();
  await host.ask('LSU_LABEL', { server: 1n, lsu: 'lsu', label: 'two' });
  t.match(await get(0n, 0, 1), { latest: 2n, events: [{ sequence: 1n }] }, 'one at a time');
  t.match(await get(1n), { latest: 2n, events: [{ sequence: 2n, payload_bytes: 15 }] });
  const { data } = await host.ask('EVENT_PAYLOAD', { server: 1n, sequence: 2n });
  t.equal(Buffer.from(data).toString(), '{"label":"two"}');
  await refuses(t, host.ask('EVENT_PAYLOAD', { server: 1n, sequence: 3n }), 'NOT_FOUND');
  const left = get(2n, 60_000);
  await host.disconnect();
  await t.rejects(left, 'a wait ends with its connection');
});

t.test('events of every kind outlive the engine, and so do their numbers', async (t) => {
  const path = join(t.testdir(), 'events.jsonl');
  const log = pino({ level: 'silent' });
  const before = await EventLog.open(path, log);
  const types = Object.values(EVENT_TYPE);
  for (const type of types) await before.append({ type, lsu: 'lsu', payload: `{"type":${type}}` });
  t.strictSame(
    before.read(0, 99).map(({ type }) => type),
    types,
  );
  await before.close();
  const after = await EventLog.open(path, log);
  t.strictSame(
    after.read(0, 99).map(({ sequence, type, payload }) => [sequence, type, payload]),
    types.map((type, at) => [at + 1, type, `{"type":${type}}`]),
  );
  await after.append({ type: EVENT_TYPE.SERVER, lsu: '', payload: '' });
  t.equal(after.latest, types.length + 1);
  await after.close();
});

t.test('an LSU that comes or goes is an event; a failing poll is answered from memory', async (t) => {
  const state = new Map();
  const storage = new MemoryStorage(state);
  await storage.createLsu('one');
  const log = pino({ level: 'silent' });
  const events = await EventLog.open(join(t.testdir(), 'events.jsonl'), log);
  t.teardown(() => events.close());
  let now = 0;
  const server = new StorageServer({
    id: 'test',
    settings: { store: 'memory:', label: '' },
    storage,
    events,
    tuning: { compression: 'none', parallelStreams: 1 },
    highWater: 95,
    log,
    now: () => now,
  });
  t.strictSame(await server.lsus(), ['one']);
  await storage.createLsu('two');
  state.delete('one');
  t.strictSame(await server.lsus(), ['one'], 'young enough');
  now = 60_000;
  t.strictSame(await server.lsus(), ['one'], 'renewed behind the caller’s back');
  await events.wait(1, 60_000, new AbortController().signal);
  t.match(events.read(0, 9), [
    { type: 2, lsu: 'one' },
    { type: 2, lsu: 'two' },
  ]);
  t.strictSame(await server.lsus(), ['two']);
  await storage.close();
  now = 120_000;
  t.strictSame(await server.lsus(), ['two'], 'the storage does not answer');
  now = 1_200_000;
  await t.rejects(server.lsus(), 'for so long');
});

t.test('copies', async (t) => {
  const bench = await memoryBench(t);
  const host = await bench.host();
  await host.backup(1n, imageId('source'), Buffer.alloc(MIB));
  const start = {
    operation: 1n,
    from_server: 1n,
    from_lsu: 'lsu',
    from: imageId('source'),
    to_server: 1n,
    to_lsu: 'other',
    to: imageId('target'),
    flags: 1,
  };
  const blocked = Promise.withResolvers<void>();
  bench.backend.store = () => blocked.promise;
  const wait = (operation: bigint, timeout = 0) => host.ask('COPY_WAIT', { operation, timeout_ms: timeout });
  const begun = host.ask('COPY_START', start);
  const first = wait(1n, 5);
  await begun;
  // The copy says how much there is to do once it has looked at the source.
  let status = await first;
  while (status.total === 0n) status = await wait(1n, 5);
  t.match(status, { state: 0, done: 0n, total: BigInt(MIB) });
  await host.ask('COPY_START', start, true);
  const source = { server: 1n, lsu: 'lsu', id: imageId('source'), flags: 0 };
  await refuses(t, host.ask('IMAGE_DELETE', source), 'BUSY', 'an image being copied stays');
  await refuses(t, host.ask('COPY_START', { ...start, operation: 2n }), 'BUSY', 'one copy to a place');
  await refuses(t, host.ask('COPY_START', { ...start, operation: 0n }), 'INVALID');
  blocked.resolve();
  t.match(await wait(1n, 60_000), { state: 1, done: BigInt(MIB), total: BigInt(MIB) });
  t.match(await wait(1n), { state: 1 }, 'until it is released');
  const { events } = await host.ask('EVENT_GET', { server: 1n, after: 0n, timeout_ms: 0, max: 9 });
  t.match(events, [
    { type: 4, lsu: 'lsu', image: { basename: 'source' } },
    { type: 1, lsu: 'other', image: { basename: 'target' } },
  ]);
  host.tell('COPY_RELEASE', { operation: 1n });
  await refuses(t, wait(1n), 'NOT_FOUND');

  await host.ask('COPY_START', { ...start, operation: 3n });
  await refuses(t, wait(3n, 60_000), 'EXISTS');
  await host.ask('COPY_START', { ...start, operation: 4n }, true);
  await refuses(t, wait(4n, 60_000), 'EXISTS', 'asked for again or not, it is not this one’s');
  await host.ask('COPY_START', start, true);
  t.match(await wait(1n, 60_000), { state: 1 }, 'asked for again, what is there is what was asked for');

  const held = Promise.withResolvers<void>();
  bench.backend.store = () => held.promise;
  await host.ask('COPY_START', { ...start, operation: 5n, to: imageId('third') });
  await host.ask('COPY_CANCEL', { operation: 5n });
  held.resolve();
  await refuses(t, wait(5n, 60_000), 'ABORTED');
  await refuses(t, host.ask('COPY_CANCEL', { operation: 9n }), 'NOT_FOUND');
  await host.ask('COPY_START', { ...start, operation: 6n, to: imageId('fourth') });
  await host.disconnect();
  await host.connect(bench.socket);
  t.equal(bench.engine?.services.usage.size, 0, 'a copy ends with its session');
});
