import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { collectGarbage, type Garbage } from '../../src/image/collect-garbage.ts';
import { parseKey } from '../../src/image/names.ts';
import { createWriteHandle } from '../../src/image/open-write-handle.ts';
import { ATTACH_SLOT, OPEN_MODE } from '../../src/ost/wire/constants.ts';
import type { ObjectStore } from '../../src/vast/store.ts';
import { context, feed, layout, Slots } from '../image/handle-support.ts';
import { randomBytes, testResources } from '../image/support.ts';
import { orphans } from '../support/orphans.ts';
import { promise } from '../support/promise.ts';
import { Host, imageId } from './support/host.ts';
import { KEYS, Served, type StoreKind } from './support/served.ts';

const MIB = 1024 * 1024;
const MAIN = fileURLToPath(new URL('./support/other-machine.ts', import.meta.url));
const DAY_MS = 86_400_000;

/** Collects garbage of an LSU again and again, as another machine would, with no guard at all and with what is old for the default one. */
class Collector {
  readonly found: Garbage[] = [];
  rounds = 0;
  readonly #store: ObjectStore;
  #stopped = false;
  readonly #work: Promise<void>;

  constructor(store: ObjectStore) {
    this.#store = store;
    this.#work = this.#run();
    // Told by whoever waits.
    this.#work.catch(() => undefined);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      // Everything that a writer has made looks two days old to it, as if that one had stood still for so long.
      const now = (await this.#store.now()) + 2 * DAY_MS;
      const options = { olderThanMs: DAY_MS, pendingOlderThanMs: DAY_MS, dryRun: false, now };
      for await (const item of collectGarbage(this.#store, options)) this.found.push(item);
      this.rounds += 1;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  /** Resolves after some more whole rounds. */
  async more(rounds = 2): Promise<void> {
    const end = this.rounds + rounds + 1;
    while (this.rounds < end) await Promise.race([this.#work, new Promise<void>((resolve) => setTimeout(resolve, 5))]);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#work;
  }
}

/** `vast-ost gc` as a process of another machine; resolves to what it said on standard output. */
async function collectByCommand(served: Served, args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [MAIN, '--store', served.store, '--json', 'gc', 'lsu-1', ...args], {
    env: { PATH: process.env['PATH'], AWS_ACCESS_KEY_ID: KEYS.accessKey, AWS_SECRET_ACCESS_KEY: KEYS.secretKey },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  let wrong = '';
  child.stdout.on('data', (data: Buffer) => (said += data.toString()));
  child.stderr.on('data', (data: Buffer) => (wrong += data.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(wrong);
  return said;
}

async function connected(t: Test, served: Served, chunkBytes: number): Promise<Host> {
  const host = new Host({ slotBytes: chunkBytes });
  t.teardown(() => host.close());
  await host.connect(served.socket);
  await host.openServer();
  return host;
}

for (const kind of ['directory', 'simulator'] as const satisfies StoreKind[]) {
  t.test(`gc runs on another machine while images are written (${kind})`, async (t) => {
    promise({
      row: 'gc',
      promise:
        'gc on another machine takes nothing of images that are being written, however slow, and names and takes what dead writers left',
      fault:
        'gc without a pause, to which all is two days old, beside images that are written, copied, suspended, whose engine is stopped, killed and started again; directory and S3',
    });
    const chunk = kind === 'simulator' ? 8 : 1;
    const chunkBytes = chunk * MIB;
    const served = await Served.prepare(t, { kind, performance: `chunk_size_mb = ${chunk}\npart_size_mb = ${chunk}` });
    await served.start();
    const store = await served.openLsu(t, 'lsu-1');
    const bytes = randomBytes(5 * chunkBytes - 512);
    const piece = (n: number) => bytes.subarray(n * chunkBytes, (n + 1) * chunkBytes);

    // What a writer has left that nobody vouches for.
    const resources = testResources(t, 64 * MIB);
    const left = await createWriteHandle(
      context(store, resources, { creator: 'dead' }),
      layout(resources, 'dead', { chunkBytes }),
    );
    await feed(left, new Slots(3), bytes.subarray(0, 2 * chunkBytes));
    await left.flush();
    await left.detach();
    await store.createUpload('netbackup/gone_1_0123456789abcdef/fragment-000001');
    const host = await connected(t, served, chunkBytes);
    const slow = imageId('slow');
    await host.create(1n, slow, { lsu: 'lsu-1' });
    const collector = new Collector(store);
    await host.write(1n, 0, 0, piece(0));
    await host.ask('IMAGE_FLUSH', { handle: 1n });
    await collector.more();

    // Small and larger ones come and go meanwhile.
    const others = [512, chunkBytes - 512, chunkBytes, 2 * chunkBytes + 512].map((size, nth) => ({
      id: imageId(`other${nth}`),
      size,
    }));
    for (const { id, size } of others) await host.backup(2n, id, bytes.subarray(0, size), 'lsu-1');
    const [from, to] = [others[3]?.id ?? slow, imageId('copied')];
    const where = { from_server: 1n, from_lsu: 'lsu-1', from, to_server: 1n, to_lsu: 'lsu-1', to };
    await host.ask('COPY_START', { operation: 1n, ...where, flags: 0 });
    while ((await host.ask('COPY_WAIT', { operation: 1n, timeout_ms: 1000 })).state === 0);
    t.notMatch(await collectByCommand(served, ['--older-than', '0s', '--pending-older-than', '0s']), /slow/);
    t.equal(await collectByCommand(served, []), '', 'nothing is old enough by default');

    // Kept for later, and gone on with.
    const again = { server: 1n, lsu: 'lsu-1', id: slow, mode: OPEN_MODE.WRITE };
    await host.write(1n, 1, 1, piece(1));
    await host.ask('IMAGE_FLUSH', { handle: 1n });
    const child = served.child;
    child?.kill('SIGSTOP');
    await collector.more();
    child?.kill('SIGCONT');
    await host.write(1n, 2, 2, piece(2));
    await served.kill();
    await collector.more();
    await served.start();
    await host.connect(served.socket);
    await host.openServer();
    const full = { state: ATTACH_SLOT.FULL, start: 0n, flags: 0, length: chunkBytes };
    const attach = { ...again, handle: 1n, journal: 1, chunk_bytes: chunkBytes };
    await host.ask('IMAGE_ATTACH', { ...attach, slots: [{ ...full, slot: 2, chunk: 2n }] }, true);
    await collector.more();
    await host.write(1n, 3, 3, piece(3));
    await host.write(1n, 4, 4, piece(4), true);
    t.match(
      (await host.ask('IMAGE_CLOSE', { handle: 1n, mode: 1, size: BigInt(bytes.byteLength) })).report,
      /complete/,
    );
    await collector.more();
    await collector.stop();

    const { found } = collector;
    const taken = found.filter(
      ({ key, removed, kind: what }) => removed && what !== 'leftover' && !/dead|gone/.test(key),
    );
    // What an image has before its record, which nobody can know it by, is made again: the upload of its manifest, and files of a put that is under way.
    const made = taken.filter(
      ({ kind: what, key }) => what !== 'temporary-file' && parseKey(key)?.name !== 'image.meta',
    );
    t.same(made, []);
    t.match(
      found.filter(({ key }) => /gone/.test(key)),
      [{ kind: 'orphan-upload', removed: true }],
    );
    t.equal(found.filter(({ key, kind: what }) => what === 'pending-image' && /dead/.test(key)).at(-1)?.removed, true);
    t.ok((await host.restore(3n, slow, 'lsu-1')).equals(bytes));
    for (const { id, size } of others) t.ok((await host.restore(3n, id, 'lsu-1')).equals(bytes.subarray(0, size)));
    t.ok((await host.restore(3n, to, 'lsu-1')).equals(bytes.subarray(0, others[3]?.size ?? 0)));
    t.same(await orphans(store), []);
    t.equal(await served.stop(), 0);
  });
}
