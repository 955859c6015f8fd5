/** Directories that hang below a running engine, and what has to go on meanwhile. The fault is the caller's: a shim, or a real NFS server. */
import { mkdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Test } from 'tap';
import { freePort } from '../../grafana/prometheus.ts';
import { randomBytes } from '../../image/support.ts';
import { Host, imageId, Refusal, refuses } from './host.ts';
import { Served } from './served.ts';
import { SlowJob } from './slow-job.ts';

const MIB = 1024 * 1024;
/** Of the engine: fewer than there will be calls that hang. */
export const THREADS = 8;
const HUNG = [1n, 2n] as const;
const WELL = 3n;
/** Images on each storage that hangs, and slots of each. */
const IMAGES = 6;
const SLOTS = 4;
const SIZE = 3 * MIB + 512;
/** One in use, and one for each time that nobody asked about before. */
const LSUS = ['lsu-1', 'unasked-1', 'unasked-2'] as const;
/** As many as the engine runs at the same time. */
const LISTINGS = 8;

export interface Directory {
  /** Absolute; its LSUs are made. */
  readonly path: string;
  /** Further lines of its section. */
  readonly lines?: string;
}

/** Makes both directories hang; both resolve when it is so. */
export interface Hang {
  begin(): Promise<void>;
  end(): Promise<void>;
}

/** An image that is open for writing. */
interface Begun {
  readonly server: bigint;
  readonly handle: bigint;
  readonly id: ReturnType<typeof imageId>;
  readonly chunkBytes: number;
  readonly data: Buffer;
}

interface Writing {
  readonly server: bigint;
  readonly id: ReturnType<typeof imageId>;
  readonly data: Buffer;
  readonly closed: Promise<unknown>;
}

/** An engine with three servers: `test` and `other`, which can hang, and `well`. */
export class HungScene {
  readonly served: Served;
  readonly #t: Test;
  readonly #metrics: string;
  readonly #hung: readonly string[];
  readonly #env: Record<string, string>;
  readonly #busy: Host;
  readonly #well: Host;
  #number = 0n;
  #times = 0;

  private constructor(t: Test, served: Served, metrics: string, hung: readonly string[], env: Record<string, string>) {
    this.served = served;
    this.#t = t;
    this.#metrics = metrics;
    this.#hung = hung.map((path) => `file:${path}`);
    this.#env = { UV_THREADPOOL_SIZE: String(THREADS), ...env };
    const slotCount = HUNG.length * IMAGES * SLOTS;
    this.#busy = new Host({ slotCount, journalCount: HUNG.length * IMAGES });
    this.#well = new Host();
    t.teardown(() => Promise.all([this.#busy.close(), this.#well.close()]));
  }

  /** @param env of the engine. */
  static async start(
    t: Test,
    hung: readonly [Directory, Directory],
    well: Directory,
    env: Record<string, string> = {},
    main?: string,
  ): Promise<HungScene> {
    const all = [...hung, well];
    for (const { path } of all) for (const lsu of LSUS) mkdirSync(`${path}/${lsu}`, { recursive: true });
    const [first, ...more] = all.map(({ path, lines = '' }) => `store = file:${path}\n${lines}\n`);
    const names = ['other', 'well'];
    const address = `127.0.0.1:${await freePort()}`;
    const served = await Served.prepare(t, {
      server: `${first}${more.map((text, at) => `[server ${names[at]}]\n${text}`).join('')}`,
      performance: 'chunk_size_mb = 1\npart_size_mb = 1\nmemory_budget_mb = 64\ncompression = lz4',
      engine: 'drain_seconds = 2',
      metrics: `listen = ${address}`,
    });
    if (main !== undefined) served.main = main;
    const scene = new HungScene(t, served, `http://${address}/metrics`, [hung[0].path, hung[1].path], env);
    await served.start(scene.#env);
    await scene.#connect(scene.#busy, HUNG);
    await scene.#connect(scene.#well, [WELL]);
    return scene;
  }

  /** Start the next engine, as soon as the one before lets it. */
  async #next(): Promise<void> {
    for (;;) {
      try {
        await this.served.start(this.#env);
        return;
      } catch (error) {
        if (!String(error).includes('another engine holds')) throw error;
      }
    }
  }

  async #connect(host: Host, servers: readonly bigint[]): Promise<void> {
    await host.connect(this.served.socket);
    for (const server of servers)
      await host.openServer(server, `VastData:${['test', 'other', 'well'][Number(server) - 1]}`);
  }

  /** Values of a metric, by storage; '' for one without. */
  async metric(name: string): Promise<ReadonlyMap<string, number>> {
    const text = await (await fetch(this.#metrics)).text();
    const values = new Map<string, number>();
    for (const [, labels = '', value] of text.matchAll(new RegExp(`^${name}(\\{.*\\})? (\\S+)$`, 'gm'))) {
      const storage = /storage="([^"]*)"/.exec(labels)?.[1] ?? '';
      values.set(storage, (values.get(storage) ?? 0) + Number(value));
    }
    return values;
  }

  async #calls(): Promise<{ readonly inFlight: readonly number[]; readonly waiting: readonly number[] }> {
    const [inFlight, waiting] = await Promise.all(
      ['in_flight', 'waiting'].map((what) => this.metric(`vast_ost_directory_calls_${what}`)),
    );
    const of = (values: ReadonlyMap<string, number> | undefined) => this.#hung.map((name) => values?.get(name) ?? 0);
    return { inFlight: of(inFlight), waiting: of(waiting) };
  }

  /** Until more calls hang, or wait for those, than the engine has threads, and each directory has all that it may have. */
  async #stuck(): Promise<void> {
    const limits = await this.metric('vast_ost_directory_calls_limit');
    for (;;) {
      const { inFlight, waiting } = await this.#calls();
      const full = this.#hung.every((name, at) => inFlight[at] === limits.get(name));
      if (full && [...inFlight, ...waiting].reduce((sum, calls) => sum + calls) > THREADS) return;
      await delay(50);
    }
  }

  /** Begin an image. */
  async #create(host: Host, server: bigint, journal: number): Promise<Begun> {
    this.#number += 1n;
    const handle = this.#number;
    const id = imageId(`image-${handle}`);
    const { chunk_bytes: chunkBytes } = await host.create(handle, id, { server, lsu: 'lsu-1', journal });
    return { server, handle, id, chunkBytes, data: randomBytes(SIZE, `${handle}`) };
  }

  /** Write it through slots of its own, and close it. */
  async #write(host: Host, { handle, data, chunkBytes }: Begun, slots: readonly number[]): Promise<void> {
    const free = [...slots];
    for (let chunk = 0; chunk * chunkBytes < data.byteLength; chunk += 1) {
      const piece = data.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes);
      const slot = free.shift() ?? (await host.notice('SLOT_FREE', { handle })).slot;
      await host.write(handle, chunk, slot, piece, piece.byteLength < chunkBytes);
    }
    await host.ask('IMAGE_CLOSE', { handle, mode: 1, size: BigInt(data.byteLength) });
  }

  /** Every byte of a complete image. */
  async #restored(host: Host, server: bigint, id: Writing['id'], slot: number): Promise<Buffer> {
    this.#number += 1n;
    const handle = this.#number;
    const { info } = await host.ask('IMAGE_OPEN', { handle, server, lsu: 'lsu-1', id, mode: 1, journal: 2 ** 32 - 1 });
    const pieces: Buffer[] = [];
    for (let offset = 0n; offset < info.size; ) {
      const {
        start,
        length,
        slot_offset: at,
      } = await host.ask('IMAGE_READ', { handle, offset, length: MIB, slot, hint: 1 });
      pieces.push(Buffer.from(host.arena.slot(slot).subarray(at + Number(offset - start), at + length)));
      offset = start + BigInt(length);
      host.tell('SLOT_RETURN', { handle, slot });
    }
    await host.ask('IMAGE_CLOSE', { handle, mode: 4, size: 0n });
    return Buffer.concat(pieces);
  }

  /** A whole life of an image on the server that is well, and of one that was begun earlier. */
  async #wellGoesOn(begun?: Begun): Promise<void> {
    const [t, host] = [this.#t, this.#well];
    if (begun !== undefined) await this.#write(host, begun, [0, 1]);
    const image = await this.#create(host, WELL, 1);
    await this.#write(host, image, [2, 3]);
    for (const { id, data } of begun === undefined ? [image] : [begun, image])
      t.ok((await this.#restored(host, WELL, id, 4)).equals(data), `${id.basename} of the other storage comes back`);
    const list = { server: WELL, lsu: 'lsu-1', kinds: 2, max: 64, cursor: '' };
    const names = (await host.ask('IMAGE_LIST', list)).images.map(({ id }) => id.basename);
    t.ok(names.includes(image.id.basename), 'and is listed');
    await host.ask('IMAGE_DELETE', { server: WELL, lsu: 'lsu-1', id: image.id, flags: 0 });
    t.ok((await host.ask('LSU_PROP', { server: WELL, lsu: 'lsu-1' })).capacity > 0n);
  }

  /** While two storages hang, everything on the third goes on; afterwards what waited does. At most as often as there are LSUs for it. */
  async goesOn(hang: Hang): Promise<void> {
    const [t, busy] = [this.#t, this.#busy];
    this.#times += 1;
    const before = new Map<bigint, unknown>();
    for (const server of HUNG) {
      t.equal((await busy.ask('LSU_LIST', { server, max: 10, cursor: '' })).names.length, LSUS.length);
      before.set(server, (await busy.ask('LSU_PROP', { server, lsu: 'lsu-1' })).capacity);
    }
    const begun = await this.#create(this.#well, WELL, 0);
    const images: Begun[] = [];
    for (const server of HUNG)
      for (let at = 0; at < IMAGES; at += 1) images.push(await this.#create(busy, server, images.length));
    await hang.begin();
    let closed = 0;
    const writing: Writing[] = images.map((image, at) => {
      const slots = Array.from({ length: SLOTS }, (_, slot) => at * SLOTS + slot);
      const done = this.#write(busy, image, slots).then(() => (closed += 1));
      done.catch(() => undefined);
      return { ...image, closed: done };
    });
    const list = { lsu: 'lsu-1', kinds: 0, max: 64, cursor: '' };
    const listings = HUNG.flatMap((server) =>
      Array.from({ length: LISTINGS }, () => busy.ask('IMAGE_LIST', { server, ...list })),
    );
    await this.#stuck();

    await this.#wellGoesOn(begun);
    const unasked = refuses(t, busy.ask('LSU_PROP', { server: 1n, lsu: `unasked-${this.#times}` }), 'AGAIN');
    const polls = HUNG.map((server) => busy.ask('LSU_PROP', { server, lsu: 'lsu-1' }));
    for (const [at, server] of HUNG.entries()) {
      t.equal((await polls[at])?.capacity, before.get(server), 'a poll is answered from memory');
      t.equal((await busy.ask('LSU_LIST', { server, max: 10, cursor: '' })).names.length, LSUS.length);
    }
    t.match((await unasked).message, /does not answer.*VOST_STORE_SILENT/);
    await this.#stuck();
    t.equal(closed, 0, 'what hangs waits');

    await hang.end();
    await Promise.all(writing.map(({ closed: done }) => done));
    await Promise.all(listings);
    for (const { server, id, data } of writing)
      t.ok((await this.#restored(busy, server, id, 0)).equals(data), `${id.basename} went on and comes back`);
    const { inFlight, waiting } = await this.#calls();
    t.same([...inFlight, ...waiting], [0, 0, 0, 0], 'nothing is left waiting');
  }

  /** While two storages fail, everything on the third goes on; images on those end well or are told as failed, and what ended well is there. */
  async goesOnDespite(failing: Hang): Promise<void> {
    const [t, busy] = [this.#t, this.#busy];
    const begun = await this.#create(this.#well, WELL, 0);
    const images: Begun[] = [];
    for (const server of HUNG)
      for (let at = 0; at < IMAGES; at += 1) images.push(await this.#create(busy, server, images.length));
    const retries = async (): Promise<number> => (await this.metric('vast_ost_retries_total')).get('') ?? 0;
    const before = await retries();
    await failing.begin();
    const ends = images.map(async (image, at) => {
      const slots = Array.from({ length: SLOTS }, (_, slot) => at * SLOTS + slot);
      try {
        await this.#write(busy, image, slots);
        return 'complete';
      } catch (error) {
        // Gone already when it was the close that failed.
        const { handle } = image;
        await busy.ask('IMAGE_CLOSE', { handle, mode: 3, size: 0n }).catch(() => undefined);
        return error instanceof Refusal ? error.result : error;
      }
    });
    await this.#wellGoesOn(begun);
    while ((await retries()) < before + images.length) await delay(20);
    await failing.end();
    for (const [at, end] of (await Promise.all(ends)).entries()) {
      const { server, id, data } = images[at] as Begun;
      if (end === 'complete')
        t.ok((await this.#restored(busy, server, id, 0)).equals(data), `${id.basename}: complete, and comes back`);
      else t.match(end, /^(AGAIN|SYSTEM)$/, `${id.basename}: to be tried again`);
    }
  }

  /** An engine is stopped while two storages hang: it ends, says why, and the next one goes on. */
  async stops(hang: Hang): Promise<void> {
    const { served } = this;
    const t = this.#t;
    const job = new SlowJob(served);
    await job.halfway();
    await hang.begin();
    const finished = job.finish();
    while ((await this.#calls()).inFlight[0] === 0) await delay(50);
    const { child, closed } = served;
    child?.kill('SIGTERM');
    while (!served.stderr.includes('that do not come back')) await delay(20);
    t.match(served.stderr, `calls on ${this.#hung[0]} that do not come back`, 'it says what it does not wait for');
    // What the kernel has to write for it may keep the process until the mount is back; the next engine does not wait for that.
    await this.#next();
    await this.#connect(this.#well, [WELL]);
    await this.#wellGoesOn();
    await hang.end();
    t.match(await closed, [0], 'the engine has ended');
    const { code, said } = await finished;
    t.equal(code, 0, said);
    t.ok(await job.restored(), 'the job goes on with the next engine, bit for bit');
    t.equal(await served.stop(), 0);
  }
}
