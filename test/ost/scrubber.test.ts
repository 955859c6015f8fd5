import { pino } from 'pino';
import t from 'tap';
import { imagePrefix } from '../../src/image/names.ts';
import { readScrubState } from '../../src/image/scrub-state.ts';
import type { EventLog } from '../../src/ost/events/event-log.ts';
import { Scrubber } from '../../src/ost/scrubber.ts';
import { StorageMemory } from '../../src/ost/storage-memory.ts';
import { EVENT_TYPE } from '../../src/ost/wire/constants.ts';
import { MemoryStorage } from '../../src/vast/memory/storage.ts';
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
import { wrapStore } from '../support/wrap-store.ts';

// The watch alone keeps no process alive.
const awake = setInterval(() => undefined, 60_000);
t.teardown(() => clearInterval(awake));

type Told = Parameters<EventLog['append']>[0];

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
    storageOf: () => NOWHERE,
    events: { append: async (event: Told) => void events.push(event) } as unknown as EventLog,
  };
  const log = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
  const scrubber = new Scrubber({
    server,
    memory: new StorageMemory(resources),
    intervalMs: 3_600_000,
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
  t.match((await readScrubState(store)).last, { images: 2, damaged: 1 });
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
    storageOf: () => NOWHERE,
    events: {} as unknown as EventLog,
  };
  const memory = new StorageMemory(resources);
  const log = pino({ level: 'silent' });
  // At this rate the second chunk would be read in twenty minutes.
  const scrubber = new Scrubber({ server, memory, intervalMs: 1, bytesPerSecond: 900, name: 'e', log, lookMs: 1 });
  await began.promise;
  await scrubber.close();
  t.equal(reads, 1);
  t.match(await readScrubState(plain), { round: { began: String }, by: undefined });
});
