import { pino } from 'pino';
import t from 'tap';
import { imagePrefix } from '../../src/image/names.ts';
import { readScrubState } from '../../src/image/scrub-state.ts';
import type { EventLog } from '../../src/ost/events/event-log.ts';
import { ScrubFigures } from '../../src/ost/scrub-figures.ts';
import { Scrubber } from '../../src/ost/scrubber.ts';
import { StorageMemory } from '../../src/ost/storage-memory.ts';
import { EVENT_TYPE } from '../../src/ost/wire/constants.ts';
import { MemoryStorage } from '../../src/vast/memory/storage.ts';
import type { ObjectStore, Storage } from '../../src/vast/store.ts';
import {
  MIB,
  memoryLsu,
  objectBytes,
  randomBytes,
  testResources,
  writeImage,
  writerOptions,
} from '../image/support.ts';
import { promise } from '../support/promise.ts';
import { gate, turns, until } from '../support/turns.ts';
import { wrapStore } from '../support/wrap-store.ts';

// The watch alone keeps no process alive.
const awake = setInterval(() => undefined, 60_000);
t.teardown(() => clearInterval(awake));

type Told = Parameters<EventLog['append']>[0];

const HOUR_MS = 3_600_000;
const NOWHERE = new MemoryStorage();

t.test('damage is told by an event and by the log, once in a round', async (t) => {
  promise({
    row: 'integrity',
    promise: 'Damage that a scrub finds is an event for NetBackup and a line of the log, once in a round',
    fault: 'a damaged image in an LSU',
  });
  const resources = testResources(t);
  const store = await memoryLsu();
  const { imageId } = await writeImage(store, resources, writerOptions(resources, 'image'), randomBytes(2 * MIB));
  await writeImage(store, resources, writerOptions(resources, 'other'), randomBytes(10));
  const key = `${imagePrefix(imageId)}fragment-000001`;
  const bytes = await objectBytes(store, key);
  bytes[MIB + 1] = (bytes[MIB + 1] ?? 0) ^ 1;
  await store.put(key, [bytes]);
  const events: Told[] = [];
  const lines: string[] = [];
  const later = Promise.withResolvers<void>();
  let looks = 0;
  const server = {
    lsus: async () => {
      looks += 1;
      if (looks === 4) later.resolve();
      return ['gone', 'lsu'];
    },
    open: async (lsu: string) => {
      if (lsu === 'gone') throw new Error('one LSU that fails does not keep the others');
      return store;
    },
    storages: () => [NOWHERE],
    storageOf: () => NOWHERE,
    events: { append: async (event: Told) => void events.push(event) } as unknown as EventLog,
  };
  const log = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
  const figures = new ScrubFigures(HOUR_MS);
  const scrubber = new Scrubber({
    server,
    figures,
    memory: new StorageMemory(resources),
    bytesPerSecond: Number.POSITIVE_INFINITY,
    name: 'engine',
    log,
    lookMs: 1,
  });
  await later.promise;
  await scrubber.close();
  t.match(events, [{ type: EVENT_TYPE.LSU_CHANGED, lsu: 'lsu' }]);
  t.match(JSON.parse(events[0]?.payload ?? ''), { severity: 'ERROR', image_id: imageId, code: 'VOST_CORRUPT' });
  t.match(lines.join(''), /offset 1048576[^\n]*vast-ost repair/);
  const { last } = await readScrubState(store);
  t.match(last, { images: 2, damaged: 1 });
  const ended = Date.parse(last?.ended ?? '');
  t.match(figures.lsus.get('lsu'), { good: 1, damaged: 1, began: undefined, ended });
  t.ok((figures.lsus.get('lsu')?.bytes ?? 0) > 2 * MIB);
  t.match(figures.lsus.get('gone'), { good: 0, damaged: 0, ended: undefined });
});

t.test('a stopping engine stops it at once and knows where it was', async (t) => {
  const resources = testResources(t);
  const plain = await memoryLsu();
  const began = Promise.withResolvers<void>();
  let reads = 0;
  const store = wrapStore(plain, {
    read: async (key, ...args) => {
      await plain.read(key, ...args);
      if (!key.includes('fragment')) return;
      reads += 1;
      began.resolve();
    },
  });
  await writeImage(store, resources, writerOptions(resources, 'image'), randomBytes(8 * MIB));
  const server = {
    lsus: async () => ['lsu'],
    open: async () => store,
    storages: () => [NOWHERE],
    storageOf: () => NOWHERE,
    events: {} as unknown as EventLog,
  };
  const memory = new StorageMemory(resources);
  const log = pino({ level: 'silent' });
  // At this rate the second chunk would be read in twenty minutes.
  const figures = new ScrubFigures(1);
  const scrubber = new Scrubber({ server, figures, memory, bytesPerSecond: 900, name: 'e', log, lookMs: 1 });
  await began.promise;
  await scrubber.close();
  t.equal(reads, 1);
  t.match(await readScrubState(plain), { round: { began: String }, by: undefined });
});

/** A server with two storages, each with one LSU of its name. */
async function twoStorages(stores: Readonly<Record<string, ObjectStore>>) {
  const storages = new Map<string, Storage>();
  for (const lsu of Object.keys(stores)) {
    const storage = new MemoryStorage();
    await storage.createLsu(lsu);
    storages.set(lsu, Object.assign(storage, { name: `file:/mounted/${lsu}` }));
  }
  return {
    storages: () => [...storages.values()],
    storageOf: (lsu: string) => storages.get(lsu) ?? NOWHERE,
    lsus: async () => [...storages.keys()],
    open: async (lsu: string) => {
      const store = stores[lsu];
      if (store === undefined) throw new Error(`there is no LSU ${lsu}`);
      return store;
    },
    events: {} as unknown as EventLog,
  };
}

t.test('an LSU whose storage hangs keeps those in other storages from nothing', async (t) => {
  promise({
    row: '15',
    promise: 'While the storage of one LSU hangs, the LSUs in the other storages of its server are scrubbed',
    fault: 'a store whose reads do not come back, in a server whose LSUs cannot be listed',
  });
  const resources = testResources(t, 64 * MIB);
  const stores = { hung: await memoryLsu(), well: await memoryLsu() };
  for (const store of Object.values(stores))
    await writeImage(store, resources, writerOptions(resources, 'image'), randomBytes(2 * MIB));
  const hangs = gate();
  const back = gate();
  const hung = wrapStore(stores.hung, {
    read: async (...args) => {
      hangs.open();
      // As a system call, which hears of no signal.
      await back.promise;
      await stores.hung.read(...args);
    },
  });
  const server = await twoStorages({ ...stores, hung });
  const memory = new StorageMemory(resources);
  const figures = new ScrubFigures(HOUR_MS);
  const scrubber = new Scrubber({
    server: {
      ...server,
      lsus: async () => {
        throw new Error('the main storage does not answer');
      },
    },
    figures,
    memory,
    bytesPerSecond: Number.POSITIVE_INFINITY,
    name: 'engine',
    log: pino({ level: 'silent' }),
    lookMs: 1,
  });
  const ended = (lsu: string) => figures.lsus.get(lsu)?.ended;
  await hangs.promise;
  await until(() => ended('well') !== undefined);
  t.match(figures.lsus.get('well'), { good: 1, damaged: 0 });
  t.match((await readScrubState(stores.well)).last, { images: 1 });
  t.match(figures.lsus.get('hung'), { good: 0, ended: undefined });
  back.open();
  await until(() => ended('hung') !== undefined);
  await scrubber.close();
  t.match((await readScrubState(stores.hung)).last, { images: 1 }, 'and it is scrubbed when it is back');
});

t.test('all storages of a server share its rate', async (t) => {
  const resources = testResources(t, 64 * MIB);
  const reads: string[] = [];
  const ready = new Set<string>();
  const counted = async (lsu: string): Promise<ObjectStore> => {
    const plain = await memoryLsu();
    await writeImage(plain, resources, writerOptions(resources, 'image'), randomBytes(4 * MIB));
    return wrapStore(plain, {
      head: async (key, options) => {
        // The last thing that is asked before the first chunk is read.
        if (key.includes('fragment')) ready.add(lsu);
        return plain.head(key, options);
      },
      read: async (key, ...args) => {
        if (key.includes('fragment')) reads.push(lsu);
        await plain.read(key, ...args);
      },
    });
  };
  const server = await twoStorages({ a: await counted('a'), b: await counted('b') });
  const memory = new StorageMemory(resources);
  const figures = new ScrubFigures(HOUR_MS);
  const log = pino({ level: 'silent' });
  // The first chunk of whichever comes first, and the next one twenty minutes later.
  const scrubber = new Scrubber({ server, figures, memory, bytesPerSecond: 900, name: 'e', log, lookMs: 1 });
  await until(() => ready.size === 2 && reads.length > 0);
  await turns(100);
  await scrubber.close();
  t.equal(reads.length, 1);
});
