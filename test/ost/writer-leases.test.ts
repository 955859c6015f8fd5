import { pino } from 'pino';
import t, { type Test } from 'tap';
import { readWriters, WRITERS_PREFIX, writeWriters } from '../../src/image/living-writers.ts';
import { WriterLeases, type WriterLeasesOptions } from '../../src/ost/writer-leases.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { memoryLsu } from '../image/support.ts';
import { promise } from '../support/promise.ts';
import { turns } from '../support/turns.ts';
import { wrapStore } from '../support/wrap-store.ts';

// The watch alone keeps no process alive.
const awake = setInterval(() => undefined, 60_000);
t.teardown(() => clearInterval(awake));

const KEY = `${WRITERS_PREFIX}engine`;

interface Desk {
  readonly leases: WriterLeases;
  readonly store: ObjectStore;
  readonly connected: Set<string>;
  readonly gone: Set<string>;
  readonly log: string[];
  /** Resolves after so many more beats. */
  beats(count: number): Promise<void>;
  said(): Promise<readonly string[] | undefined>;
  puts: number;
}

async function desk(t: Test, inner: ObjectStore, more: Partial<WriterLeasesOptions> = {}): Promise<Desk> {
  const watchers = new Set<() => void>();
  const count = (): void => {
    for (const watcher of watchers) watcher();
  };
  const store = wrapStore(inner, {
    put: async (...args) => {
      one.puts += 1;
      return inner.put(...args).finally(count);
    },
    delete: async (...args) => inner.delete(...args).finally(count),
  });
  const connected = new Set<string>();
  const gone = new Set<string>();
  const log: string[] = [];
  const leases = new WriterLeases({
    nameIn: () => 'engine',
    leaseMs: 15,
    connected: () => connected,
    isGone: (process) => gone.has(process),
    log: pino({ level: 'warn' }, { write: (line: string) => log.push(line) }),
    ...more,
  });
  t.teardown(() => leases.close());
  const one: Desk = {
    leases,
    store,
    connected,
    gone,
    log,
    beats: async (wanted) => {
      for (let seen = 0; seen < wanted; seen += 1)
        await new Promise<void>((resolve) => {
          const watcher = (): void => {
            watchers.delete(watcher);
            resolve();
          };
          watchers.add(watcher);
        });
    },
    said: async () => (await readWriters(inner, KEY))?.processes,
    puts: 0,
  };
  return one;
}

t.test('processes are vouched for as long as they have images open, or may come back for them', async (t) => {
  const { leases, store, connected, gone, beats, said } = await desk(t, await memoryLsu());
  const open = async (): Promise<ObjectStore> => store;
  connected.add('a').add('b').add('c');
  const ends = ['a', 'b', 'c'].map((process) => leases.opened('lsu', process, open));
  await beats(4);
  t.same(await said(), ['a', 'b', 'c']);
  // One closes its images; the connections of the others break, and one of them dies.
  for (const end of ends) end();
  for (const end of ends) end();
  connected.delete('b');
  connected.delete('c');
  gone.add('c');
  await beats(5);
  t.same(await said(), ['b'], 'it may come back');
  connected.add('b');
  while ((await said()) !== undefined) await turns();
  t.pass('and has closed its images since');
  leases.opened('lsu', 'a', open);
  await beats(1);
  t.same(await said(), ['a']);
});

t.test('the next engine goes on with what the one before said', async (t) => {
  const inner = await memoryLsu();
  await writeWriters(inner, 'engine', { lease_ms: 1000, processes: ['old', 'dead'] });
  const { leases, store, gone, beats, said } = await desk(t, inner);
  gone.add('dead');
  leases.opened('lsu', 'new', async () => store);
  await beats(2);
  t.same(await said(), ['new', 'old']);
});

t.test('however many images are open, it is one request in a third of a lease', async (t) => {
  promise({
    row: 'load',
    promise: 'Ten thousand open images cost one small request for each LSU in a third of a lease',
    fault: '10,000 images of 20 processes in two LSUs, idle',
  });
  const one = await desk(t, await memoryLsu());
  const two = wrapStore(await memoryLsu(), {});
  for (let image = 0; image < 10_000; image += 1) {
    const process = `process ${image % 20}`;
    if (image % 2 === 0) one.leases.opened('one', process, async () => one.store);
    else one.leases.opened('two', process, async () => two);
  }
  await one.beats(1);
  const before = one.puts;
  await one.beats(3);
  t.equal(one.puts - before, 3);
  t.equal((await one.said())?.length, 10);
});

t.test('an LSU that does not answer is told once, and holds up no other one', async (t) => {
  const inner = await memoryLsu();
  const { leases, store, log, beats, said } = await desk(t, inner, { leaseMs: 30 });
  leases.opened('broken', 'a', () => Promise.reject(new Error('no such host')));
  leases.opened('silent', 'a', () => new Promise(() => undefined));
  leases.opened('lsu', 'a', async () => store);
  await beats(6);
  t.same(await said(), ['a']);
  t.equal(log.length, 1);
  t.match(log[0], /other media servers cannot be told.*|no such host/);
});
